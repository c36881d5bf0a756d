// Every own kernel once, on arrays of exactly the size it needs: for a tool that watches memory,
// and for the bits of 16-bit numbers, which are to be the host's.

#include <cstring>
#include <limits>

#include "absl/strings/str_format.h"
#include "model/backend/cuda/cuda_backend.h"
#include "model/backend/cuda/cuda_queue.h"
#include "model/sampling/philox.h"
#include "tests/gpu/proof.h"
#include "tests/model/backend/cuda/host_launch.h"

namespace derin {
namespace {

using cuda::Chunk;

// Numbers of every size that 16 bits have, and those at their limits.
std::vector<float> Numbers(size_t count) {
  std::vector<float> values = {0,
                               -0.0f,
                               65519.996f,
                               65520,
                               0x1p-24f,
                               0x1p-25f,
                               0x1.8p-25f,
                               std::numeric_limits<float>::infinity(),
                               -std::numeric_limits<float>::infinity(),
                               std::numeric_limits<float>::max()};
  for (uint32_t i = 0; values.size() < count; ++i) {
    const auto random = Philox4x32(RandomPurpose::kSampling, i, 0, 0, 1);
    const float magnitude =
        std::ldexp(1 + UnitUniform(random.word[0]), static_cast<int>(random.word[1] % 48) - 30);
    values.push_back(random.word[2] % 2 == 0 ? magnitude : -magnitude);
  }
  return values;
}

class KernelRunner {
 public:
  explicit KernelRunner(cuda::CudaQueue& queue) : queue_(queue) {}

  // `values` in memory of the GPU that is as large as they are.
  template <class T>
  T* ToDevice(const std::vector<T>& values) {
    auto buffer = queue_.device().Allocate(ElementType::kByte, values.size() * sizeof(T));
    if (!buffer.ok()) {
      queue_.Fail(buffer.status());
      return nullptr;
    }
    buffers_.push_back(*std::move(buffer));
    void* data = buffers_.back().view().data;
    queue_.Upload(values.data(), data, values.size() * sizeof(T));
    return static_cast<T*>(data);
  }

  // Runs `on_device` there and `on_host` here; whether `output` has the bits of `wanted` then.
  template <class Kernel, class T>
  void Compare(const Kernel& on_device, const Kernel& on_host, const T* output,
               std::vector<T>& wanted) {
    queue_.Launch(on_device);
    cuda::RunOnHost(on_host);
    std::vector<T> got(wanted.size());
    queue_.Try(queue_.device().calls().runtime.MemcpyAsync(
                   got.data(), output, got.size() * sizeof(T), cudaMemcpyDefault, queue_.stream()),
               "cudaMemcpyAsync");
    if (!queue_.Finish().ok()) return;
    ++kernels_;
    if (std::memcmp(got.data(), wanted.data(), got.size() * sizeof(T)) != 0) {
      differ_.push_back(Kernel::kName);
    }
  }

  template <class Number>
  void EdgesOf16Bits() {
    const std::vector<float> wide = Numbers(1000);
    const double scale = 4;
    const double* there = ToDevice(std::vector{scale});
    std::vector<Number> narrow(wide.size());
    Number* narrow_there = ToDevice(narrow);
    const auto count = static_cast<int64_t>(wide.size());
    Compare(cuda::Narrow<Number>{ToDevice(wide), narrow_there, there, count},
            cuda::Narrow<Number>{wide.data(), narrow.data(), &scale, count}, narrow_there, narrow);
    std::vector<float> back(wide.size());
    float* back_there = ToDevice(back);
    Compare(cuda::Widen<Number>{narrow_there, back_there, count},
            cuda::Widen<Number>{narrow.data(), back.data(), count}, back_there, back);
  }

  template <class Number>
  void WeightsAndInput() {
    // Rows of 3 that are 4 in the packing, the last one shorter, and a whole chunk without rows.
    const std::vector<Chunk> chunks = {{0, 4, 8, 3, 4}, {8, 16, 1024, 1024, 1024}};
    const std::vector<float> canonical = Numbers(1032);
    const double scale = 4;
    const Chunk* chunks_there = ToDevice(chunks);
    std::vector<Number> packed(1040, cuda::RoundTo<Number>(7));
    Number* packed_there = ToDevice(packed);
    Compare(cuda::PackWeights<Number>{chunks_there, ToDevice(canonical), packed_there, 2},
            cuda::PackWeights<Number>{chunks.data(), canonical.data(), packed.data(), 2},
            packed_there, packed);
    std::vector<float> back(canonical.size());
    float* back_there = ToDevice(back);
    Compare(cuda::UnpackGradients<Number>{chunks_there, packed_there, back_there,
                                          ToDevice(std::vector{scale}), 2},
            cuda::UnpackGradients<Number>{chunks.data(), packed.data(), back.data(), &scale, 2},
            back_there, back);
    const std::vector<int32_t> tokens = {2, 0, 27, 5, 5};
    std::vector<Number> x(5 * 32);
    Number* x_there = ToDevice(x);
    cuda::FaultWord fault = 0;
    Compare(cuda::OneHot<Number>{ToDevice(tokens), x_there, queue_.fault(), 5, 28, 32},
            cuda::OneHot<Number>{tokens.data(), x.data(), &fault, 5, 28, 32}, x_there, x);
  }

  int kernels() const { return kernels_; }
  const std::vector<std::string>& differ() const { return differ_; }

 private:
  cuda::CudaQueue& queue_;
  std::vector<Buffer> buffers_;
  int kernels_ = 0;
  std::vector<std::string> differ_;
};

}  // namespace

Finding KernelBits(const cuda::CudaCalls& calls) {
  auto device = cuda::Device::Open(calls, 0);
  if (!device.ok()) return device.status();
  auto queue = cuda::CudaQueue::Create(*device, QueuePriority::kTraining);
  if (!queue.ok()) return queue.status();
  if (!(*queue)->Begin()) return (*queue)->status();
  KernelRunner runner(**queue);
  runner.EdgesOf16Bits<cuda::F16>();
  runner.EdgesOf16Bits<cuda::Bf16>();
  runner.WeightsAndInput<float>();
  runner.WeightsAndInput<cuda::F16>();
  runner.WeightsAndInput<cuda::Bf16>();
  if (absl::Status status = (*queue)->Finish(); !status.ok()) return status;
  return nlohmann::json{{"passed", runner.differ().empty()},
                        {"compared", runner.kernels()},
                        {"differ", runner.differ()}};
}

Finding Operations(Backend& backend) {
  auto queue = backend.NewQueue(QueuePriority::kTraining);
  if (!queue.ok()) return queue.status();
  constexpr size_t kWeights = 3000, kHidden = 8, kVocabulary = 28, kRows = 6;
  Buffer weights, gradients, moment1, moment2, rate, norm, step, scale, corpus, starts, tokens,
      targets, top, d_top, head, d_head, loss, pool, from, to;
  const struct {
    Buffer* place;
    ElementType type;
    size_t count;
  } wanted[] = {{&weights, ElementType::kF32, kWeights},
                {&gradients, ElementType::kF32, kWeights},
                {&moment1, ElementType::kF32, kWeights},
                {&moment2, ElementType::kF32, kWeights},
                {&rate, ElementType::kF64, 1},
                {&norm, ElementType::kF64, 1},
                {&step, ElementType::kI64, 1},
                {&scale, ElementType::kF64, 2},
                {&corpus, ElementType::kI32, 9},
                {&starts, ElementType::kI64, 2},
                {&tokens, ElementType::kI32, kRows},
                {&targets, ElementType::kI32, kRows},
                {&top, ElementType::kF32, kRows * kHidden},
                {&d_top, ElementType::kF32, kRows * kHidden},
                {&head, ElementType::kF32, kVocabulary * (kHidden + 1)},
                {&d_head, ElementType::kF32, kVocabulary * (kHidden + 1)},
                {&loss, ElementType::kF64, 2},
                {&pool, ElementType::kF32, 4 * kHidden},
                {&from, ElementType::kI32, 2},
                {&to, ElementType::kI32, 2}};
  for (const auto& one : wanted) {
    auto buffer = backend.Allocate(one.type, one.count);
    if (!buffer.ok()) return buffer.status();
    *one.place = *std::move(buffer);
  }
  const auto head_of = [&](const Buffer& flat) {
    return HeadViews{flat.view().Slice(0, kVocabulary * kHidden),
                     flat.view().Slice(kVocabulary * kHidden, kVocabulary)};
  };
  const std::vector<float> ones(kWeights, 1);
  const double first_scale[] = {LossScale::kFirst, 0};
  const int32_t sources[] = {0, 1}, destinations[] = {2, 3};
  backend.Upload(**queue, ones.data(), gradients.view());
  backend.Upload(**queue, first_scale, scale.view());
  backend.Upload(**queue, sources, from.view());
  backend.Upload(**queue, destinations, to.view());
  backend.GatherWindow(**queue, corpus.view(), starts.view(), tokens.view(), targets.view());
  backend.ProjectAndLoss(**queue, top.view(), head_of(head), targets.view(), loss.view(),
                         d_top.view(), head_of(d_head));
  backend.SquaredNorm(**queue, gradients.view(), norm.view());
  for (const OptimizerKind kind :
       {OptimizerKind::kSgd, OptimizerKind::kMomentum, OptimizerKind::kAdam}) {
    backend.Update(**queue, {.kind = kind},
                   {weights.view(), gradients.view(), moment1.view(), moment2.view(), rate.view(),
                    norm.view(), step.view(), scale.view()});
  }
  backend.CopyStates(**queue, pool.view(), kHidden, from.view(), to.view());
  double squared_norm = 0;
  if (absl::Status status = backend.Download(**queue, norm.view(), &squared_norm); !status.ok()) {
    return status;
  }
  return nlohmann::json{{"passed", squared_norm == kWeights}, {"squared_norm", squared_norm}};
}

}  // namespace derin
