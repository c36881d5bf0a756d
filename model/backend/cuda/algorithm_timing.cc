#include "model/backend/cuda/algorithm_timing.h"

#include <algorithm>
#include <limits>

#include "model/backend/cuda/cuda_recording.h"
#include "model/backend/cuda/cuda_stack.h"
#include "model/backend/stack_layout.h"
#include "model/optimizer/optimizer.h"

namespace derin::cuda {
namespace {

constexpr int kWarmUps = 3;  // once without graph, once to record it
constexpr int kStretches = 3, kRuns = 4;

}  // namespace

absl::StatusOr<double> TimeOfTraining(CudaQueue& queue, const StackConfig& config,
                                      const StackExtent& extent, WindowAlgorithm algorithm) {
  if (!queue.Begin()) return queue.status();
  Device& device = queue.device();
  const RuntimeCalls& runtime = device.calls().runtime;
  auto stack = CudaStack::Create(
      queue, config, {.steps = extent.steps, .batch = extent.batch, .training = true}, algorithm);
  if (!stack.ok()) return stack.status();

  const size_t rows = size_t{1} * extent.steps * extent.batch, top = rows * config.hidden,
               state = extent.batch * StateElements(config);
  const Slice last = StackSlices(config).back();
  const size_t count = last.offset + last.count;
  Buffer parameters, gradients, tokens, in, out, above, d_above, scale;
  const struct {
    Buffer* place;
    ElementType type;
    size_t count;
  } wanted[] = {{&parameters, ElementType::kF32, count},
                {&gradients, ElementType::kF32, count},
                {&tokens, ElementType::kI32, rows},
                {&in, ElementType::kF32, state},
                {&out, ElementType::kF32, state},
                {&above, ElementType::kF32, top},
                {&d_above, ElementType::kF32, top},
                {&scale, ElementType::kF64, NeedsLossScale(config.precision) ? 2u : 0u}};
  for (const auto& one : wanted) {
    auto buffer = device.Allocate(one.type, one.count);
    if (!buffer.ok()) return buffer.status();
    *one.place = *std::move(buffer);
    if (one.count == 0) continue;
    queue.Try(
        runtime.MemsetAsync(one.place->view().data, 0, one.place->view().bytes(), queue.stream()),
        "cudaMemsetAsync");
  }
  if (const View view = scale.view(); !view.empty()) {
    const double first[] = {LossScale::kFirst, 0};
    queue.Upload(first, view.data, view.bytes());
  }

  CudaRecording window(device.shared_from_this(), [&](Queue& on) {
    (*stack)->SetParameters(on, parameters.view());
    (*stack)->Forward(on, ForwardMode::kTraining, extent.steps, extent.batch, tokens.view(),
                      in.view(), out.view(), above.view());
    (*stack)->Backward(on, d_above.view(), scale.view(), gradients.view());
  });
  for (int run = 0; run < kWarmUps; ++run) window.Run(queue);
  Owned<cudaEvent_t> start, stop;
  Attempt attempt(device);
  for (auto* event : {&start, &stop}) {
    attempt.Make(
        *event, "cudaEventCreateWithFlags",
        [&](cudaEvent_t* made) { return runtime.EventCreateWithFlags(made, cudaEventDefault); },
        runtime.EventDestroy);
  }
  double least = std::numeric_limits<double>::infinity();
  for (int stretch = 0; stretch < kStretches; ++stretch) {
    if (!attempt.status().ok()) return attempt.status();
    float milliseconds = 0;
    attempt(runtime.EventRecord(start.get(), queue.stream()), "cudaEventRecord");
    for (int run = 0; run < kRuns; ++run) window.Run(queue);
    attempt(runtime.EventRecord(stop.get(), queue.stream()), "cudaEventRecord");
    if (absl::Status status = queue.Finish(); !status.ok()) return status;
    attempt(runtime.EventElapsedTime(&milliseconds, start.get(), stop.get()),
            "cudaEventElapsedTime");
    least = std::min(least, double{milliseconds} / kRuns);
  }
  if (!attempt.status().ok()) return attempt.status();
  return least;
}

}  // namespace derin::cuda
