#include <algorithm>

#include "model/backend/cuda/cuda_queue.h"
#include "model/backend/cuda/rnn.h"
#include "tests/gpu/proof.h"

namespace derin {
namespace {

Finding OffsetsOf(cuda::CudaQueue& queue, const StackConfig& config) {
  auto rnn = cuda::Rnn::Create(queue.device(), queue.cudnn(), config, CUDNN_RNN_ALGO_STANDARD);
  if (!rnn.ok()) return rnn.status();
  auto space = queue.device().Allocate(ElementType::kF32, (*rnn)->weights());
  if (!space.ok()) return space.status();
  auto chunks = (*rnn)->WeightMap(queue.cudnn(), space->view().data);
  if (!chunks.ok()) return chunks.status();
  std::sort(chunks->begin(), chunks->end(),
            [](const auto& a, const auto& b) { return a.canonical < b.canonical; });

  nlohmann::json runs = nlohmann::json::array();
  int64_t end = 0, packed = -1;
  bool covered = true;
  for (const cuda::Chunk& chunk : *chunks) {
    covered = covered && chunk.canonical == end;
    if (chunk.canonical == end && chunk.packed == packed) {
      runs.back()[2] = runs.back()[2].get<int64_t>() + chunk.count;
    } else {
      runs.push_back({chunk.canonical, chunk.packed, chunk.count});
    }
    end = chunk.canonical + chunk.count;
    packed = chunk.packed + chunk.count;
  }
  const Slice last = StackSlices(config).back();
  return nlohmann::json{{"cell", std::string(CellName(config.cell))},
                        {"layers", config.layers},
                        {"hidden", config.hidden},
                        {"vocabulary", config.vocabulary},
                        {"weight_space_elements", (*rnn)->weights()},
                        {"passed", covered && end == last.offset + last.count},
                        {"runs", runs}};
}

}  // namespace

Finding WeightOffsets(const cuda::CudaCalls& calls, const std::vector<StackConfig>& configs) {
  auto device = cuda::Device::Open(calls, 0);
  if (!device.ok()) return device.status();
  auto queue = cuda::CudaQueue::Create(*device, QueuePriority::kTraining);
  if (!queue.ok()) return queue.status();
  if (!(*queue)->Begin()) return (*queue)->status();
  nlohmann::json stacks = nlohmann::json::array();
  bool passed = true;
  for (const StackConfig& config : configs) {
    Finding stack = OffsetsOf(**queue, config);
    if (!stack.ok()) return stack.status();
    passed = passed && (*stack)["passed"].get<bool>();
    stacks.push_back(*std::move(stack));
  }
  return nlohmann::json{
      {"passed", passed}, {"cudnn", calls.cudnn.GetVersion()}, {"stacks", stacks}};
}

}  // namespace derin
