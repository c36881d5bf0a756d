#include "model/backend/cuda/cuda_backend.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "model/backend/cuda/algorithm_timing.h"
#include "model/backend/cuda/branch.h"
#include "model/backend/cuda/cuda_queue.h"
#include "model/backend/cuda/cuda_recording.h"
#include "model/backend/cuda/cuda_stack.h"
#include "model/backend/cuda/known_algorithms.h"
#include "model/backend/cuda/timing_process.h"
#include "model/backend/cuda/window_algorithm.h"
#include "model/backend/embedded_stack.h"

namespace derin::cuda {
namespace {

CudaQueue& AsCuda(Queue& queue) { return static_cast<CudaQueue&>(queue); }

// Up to here a kernel copies. It does not wait for the GPU's engine to begin (see CopyBytes), and
// an A100's 2 TB/s read and write so much in 4 microseconds; the states that a training carries
// from step to step are less, and what goes to the host or comes from it is far less.
constexpr size_t kLittle = size_t{4} << 20;

constexpr absl::Duration kTimingLimit = absl::Seconds(60);

int64_t Count(const View& view) { return static_cast<int64_t>(view.count); }

// Of ProjectAndLoss: each row's loss and logits.
int64_t LossScratch(int64_t rows, int64_t vocabulary) {
  return rows * (int64_t{sizeof(double)} + vocabulary * int64_t{sizeof(float)});
}

// See StackPlan::scratch_bytes.
int64_t ScratchBytes(const StackConfig& config, const StackExtent& extent) {
  if (!extent.training) {
    return SampleRowsOfMany::ScratchBytes(extent.step_rows, config.vocabulary);
  }
  const int64_t loss = LossScratch(int64_t{extent.steps} * extent.batch, config.vocabulary);
  // What a tied embedding's gradient is added from comes after, as CudaQueue::Scratch grows.
  const int64_t tied =
      config.tied_head ? int64_t{sizeof(float)} * config.vocabulary * config.embedding : 0;
  const int64_t grown = tied > loss ? std::max(tied, 2 * loss) : 0;
  // Of the queue and of its branch.
  constexpr int64_t kProducts = 2 * MatrixProducts::kWorkspaceBytes;
  return kProducts + loss + grown;
}

class CudaBackend : public Backend {
 public:
  CudaBackend(std::shared_ptr<Device> device, std::unique_ptr<CudaQueue> setup, int ordinal,
              AlgorithmOptions options)
      : ordinal_(ordinal),
        timing_program_(std::move(options.timing_program)),
        device_(std::move(device)),
        capabilities_(
            {.backend = "cuda",
             .device = device_->name(),
             .instructions = device_->architecture(),
             .memory_bytes = device_->total_bytes(),
             .precisions = {Precision::kF32, Precision::kTf32, Precision::kF16, Precision::kBf16},
             .step_equals_forward = false}),
        setup_(std::move(setup)),
        known_(std::move(options.known_file),
               absl::StrCat(device_->name(), ", cuDNN ", device_->calls().cudnn.GetVersion())) {}

  const Capabilities& capabilities() const override { return capabilities_; }
  std::string EngineId(Precision precision) const override {
    return "cuda/" + device_->architecture() + "/" + std::string(PrecisionName(precision)) + "/1";
  }
  int64_t FreeBytes() const override { return device_->FreeBytes(); }
  absl::Status health() const override { return device_->lost(); }
  void OnLost(const std::function<void(const absl::Status&)>& told) override {
    device_->OnLost(told);
  }

  absl::StatusOr<Buffer> Allocate(ElementType type, size_t count, Memory memory) override;
  absl::StatusOr<std::unique_ptr<Queue>> NewQueue(QueuePriority priority) override {
    return CudaQueue::Create(device_, priority);
  }
  std::unique_ptr<Recording> Record(std::function<void(Queue&)> body) override {
    return std::make_unique<CudaRecording>(device_, std::move(body));
  }
  StackPlan Plan(const StackConfig& config, const StackExtent& extent) const override;
  absl::StatusOr<std::unique_ptr<RecurrentStack>> NewStack(const StackConfig& config,
                                                           const StackExtent& extent,
                                                           std::string_view saved_choice) override;

  void Upload(Queue& queue, const void* from, View to) override;
  void Copy(Queue& queue, View from, View to) override;
  void Zero(Queue& queue, View view) override;
  absl::Status Download(Queue& queue, View from, void* to) override;
  void GatherWindow(Queue& queue, View corpus, View starts, View tokens, View targets) override;
  void ProjectAndLoss(Queue& queue, View top, const HeadViews& head, View targets, View loss,
                      View d_top, const HeadViews& d_head) override;
  void SquaredNorm(Queue& queue, View gradients, View squared_norm) override;
  void Update(Queue& queue, const OptimizerConfig& config, const UpdateViews& views) override;
  void Logits(Queue& queue, View top, const HeadViews& head, View logits) override;
  void LogitsBackward(Queue& queue, View top, const HeadViews& head, View d_logits, View d_top,
                      View d_weight, GradientMode mode) override;
  void Sample(Queue& queue, View logits, const SampleViews& views) override;
  void CopyStates(Queue& queue, View pool, int64_t slot_elements, View from, View to) override;

 private:
  const RuntimeCalls& runtime() const { return device_->calls().runtime; }
  // For what is made before there is any work: another one once that failed, as for want of memory.
  CudaQueue& Setup() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of all algorithms that a stack may get, or of that one that it has got before, the most bytes.
  StackPlan PlanAlgorithms(const StackConfig& config, const StackExtent& extent) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<WindowAlgorithm> ChooseAlgorithm(const StackConfig& config,
                                                  const StackExtent& extent)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Of each of `algorithms`, in their order; see TimeOfTraining.
  std::vector<absl::StatusOr<double>> Time(const StackConfig& config, const StackExtent& extent,
                                           const std::vector<WindowAlgorithm>& algorithms) const;

  const int ordinal_;
  const std::string timing_program_;
  const std::shared_ptr<Device> device_;
  const Capabilities capabilities_;
  mutable absl::Mutex mutex_;
  // Read by Setup() alone.
  mutable std::unique_ptr<CudaQueue> setup_ ABSL_GUARDED_BY(mutex_);
  KnownAlgorithms known_ ABSL_GUARDED_BY(mutex_);
};

CudaQueue& CudaBackend::Setup() const {
  if (!setup_->status().ok() && device_->lost().ok()) {
    auto queue = CudaQueue::Create(device_, QueuePriority::kTraining);
    if (queue.ok()) setup_ = *std::move(queue);
  }
  return *setup_;
}

absl::StatusOr<Buffer> CudaBackend::Allocate(ElementType type, size_t count, Memory memory) {
  if (memory == Memory::kHost) return device_->AllocateOnHost(type, count);
  auto buffer = device_->Allocate(type, count);
  if (!buffer.ok() || count == 0) return buffer;
  absl::MutexLock lock(&mutex_);
  CudaQueue& setup = Setup();
  Zero(setup, buffer->view());
  if (absl::Status status = setup.Finish(); !status.ok()) return status;
  return buffer;
}

StackPlan CudaBackend::Plan(const StackConfig& config, const StackExtent& extent) const {
  if (config.embedding > 0) {
    StackPlan plan = PlanEmbeddedStack(*this, config, extent);
    plan.scratch_bytes = ScratchBytes(config, extent);
    return plan;
  }
  // What a stack keeps for its way back, whatever computes it: each layer's gates and states. A
  // window that is too large for cuDNN to describe is refused by this.
  const int64_t least = int64_t{sizeof(float)} * config.layers * extent.steps * extent.batch *
                        config.hidden * (GateCount(config.cell) + 1);
  absl::MutexLock lock(&mutex_);
  StackPlan plan;
  if (Setup().Begin()) plan = PlanAlgorithms(config, extent);
  if (extent.training) plan.reserve_bytes = std::max(plan.reserve_bytes, least);
  plan.scratch_bytes = ScratchBytes(config, extent);
  return plan;
}

StackPlan CudaBackend::PlanAlgorithms(const StackConfig& config, const StackExtent& extent) const {
  std::vector<WindowAlgorithm> algorithms = AlgorithmsFor(*device_, config, extent);
  // What is alone was not measured: another with dropout may be.
  if (const auto known = known_.Find(config, extent);
      extent.training && known && algorithms.size() > 1) {
    algorithms = {*known};
  }
  StackPlan most;
  for (const WindowAlgorithm algorithm : algorithms) {
    const auto plan = CudaStack::Plan(Setup(), config, extent, algorithm);
    if (!plan.ok()) continue;
    most.slot_bytes = plan->slot_bytes;
    most.weight_bytes = std::max(most.weight_bytes, plan->weight_bytes);
    most.workspace_bytes = std::max(most.workspace_bytes, plan->workspace_bytes);
    most.reserve_bytes = std::max(most.reserve_bytes, plan->reserve_bytes);
  }
  return most;
}

std::vector<absl::StatusOr<double>> CudaBackend::Time(
    const StackConfig& config, const StackExtent& extent,
    const std::vector<WindowAlgorithm>& algorithms) const {
  if (!timing_program_.empty()) {
    auto times = TimeInProcesses(timing_program_,
                                 {.ordinal = ordinal_,
                                  .config = config,
                                  .extent = {.steps = extent.steps, .batch = extent.batch},
                                  .algorithms = algorithms},
                                 kTimingLimit);
    // A machine may have no room for a second user of the GPU, or let none be started.
    if (std::any_of(times.begin(), times.end(), [](const auto& time) { return time.ok(); })) {
      return times;
    }
  }
  std::vector<absl::StatusOr<double>> times;
  std::unique_ptr<CudaQueue> queue;
  for (const WindowAlgorithm algorithm : algorithms) {
    if (queue == nullptr || !queue->status().ok()) {
      auto created = CudaQueue::Create(device_, QueuePriority::kTraining);
      if (!created.ok()) {
        times.emplace_back(created.status());
        continue;
      }
      queue = *std::move(created);
    }
    times.push_back(TimeOfTraining(*queue, config, extent, algorithm));
  }
  return times;
}

absl::StatusOr<WindowAlgorithm> CudaBackend::ChooseAlgorithm(const StackConfig& config,
                                                             const StackExtent& extent) {
  const std::vector<WindowAlgorithm> algorithms = AlgorithmsFor(*device_, config, extent);
  if (algorithms.size() == 1) return algorithms.front();
  {
    absl::MutexLock lock(&mutex_);
    if (const auto known = known_.Find(config, extent);
        known && std::find(algorithms.begin(), algorithms.end(), *known) != algorithms.end()) {
      return *known;
    }
  }
  // Nothing else waits for this, which takes a second or two.
  const auto quickest = QuickestAlgorithm(algorithms, Time(config, extent, algorithms));
  if (!quickest.ok()) return quickest.status();
  if (quickest->lasting) {
    absl::MutexLock lock(&mutex_);
    known_.Keep(config, extent, quickest->algorithm);
  }
  return quickest->algorithm;
}

absl::StatusOr<std::unique_ptr<RecurrentStack>> CudaBackend::NewStack(
    const StackConfig& config, const StackExtent& extent, std::string_view saved_choice) {
  if (absl::Status status = CheckPrecision(capabilities_, config.precision); !status.ok()) {
    return status;
  }
  const StackPlan plan = Plan(config, extent);
  if (absl::Status status =
          device_->CheckFree(plan.weight_bytes + plan.workspace_bytes + plan.reserve_bytes);
      !status.ok()) {
    return status;
  }
  if (config.embedding > 0) return NewEmbeddedStack(*this, config, extent, saved_choice);
  const auto create =
      [&](WindowAlgorithm algorithm) -> absl::StatusOr<std::unique_ptr<RecurrentStack>> {
    absl::MutexLock lock(&mutex_);
    CudaQueue& setup = Setup();
    if (!setup.Begin()) return setup.status();
    return CudaStack::Create(setup, config, extent, algorithm);
  };
  if (const auto saved = FindAlgorithm(AlgorithmsFor(*device_, config, extent), saved_choice)) {
    auto stack = create(*saved);
    if (!absl::IsUnimplemented(stack.status())) return stack;
  }
  const auto algorithm = ChooseAlgorithm(config, extent);
  if (!algorithm.ok()) return algorithm.status();
  return create(*algorithm);
}

void CudaBackend::Upload(Queue& queue, const void* from, View to) {
  if (AsCuda(queue).Begin()) AsCuda(queue).Upload(from, to.data, to.bytes());
}

void CudaBackend::Copy(Queue& queue, View from, View to) {
  DERIN_CHECK(from.type == to.type && from.count == to.count);
  CudaQueue& cuda = AsCuda(queue);
  if (!cuda.Begin() || from.empty()) return;
  if (from.bytes() <= kLittle) {
    cuda.Launch(
        CopyBytes{.from = from.data, .to = to.data, .bytes = static_cast<int64_t>(from.bytes())});
    return;
  }
  cuda.Try(
      runtime().MemcpyAsync(to.data, from.data, from.bytes(), cudaMemcpyDefault, cuda.stream()),
      "cudaMemcpyAsync");
}

void CudaBackend::Zero(Queue& queue, View view) {
  CudaQueue& cuda = AsCuda(queue);
  if (!cuda.Begin() || view.empty()) return;
  cuda.Try(runtime().MemsetAsync(view.data, 0, view.bytes(), cuda.stream()), "cudaMemsetAsync");
}

absl::Status CudaBackend::Download(Queue& queue, View from, void* to) {
  CudaQueue& cuda = AsCuda(queue);
  if (cuda.Begin() && !from.empty()) {
    cuda.Try(runtime().MemcpyAsync(to, from.data, from.bytes(), cudaMemcpyDefault, cuda.stream()),
             "cudaMemcpyAsync");
  }
  return queue.Finish();
}

void CudaBackend::GatherWindow(Queue& queue, View corpus, View starts, View tokens, View targets) {
  CudaQueue& cuda = AsCuda(queue);
  if (!cuda.Begin()) return;
  cuda.Launch(cuda::GatherWindow{.corpus = corpus.As<int32_t>(),
                                 .starts = starts.As<int64_t>(),
                                 .tokens = tokens.As<int32_t>(),
                                 .targets = targets.As<int32_t>(),
                                 .fault = cuda.fault(),
                                 .corpus_count = Count(corpus),
                                 .steps = Count(tokens) / Count(starts),
                                 .batch = Count(starts)});
}

void CudaBackend::ProjectAndLoss(Queue& queue, View top, const HeadViews& head, View targets,
                                 View loss, View d_top, const HeadViews& d_head) {
  CudaQueue& cuda = AsCuda(queue);
  if (!cuda.Begin()) return;
  const int64_t rows = Count(targets), V = Count(head.bias), H = Count(head.weight) / V;
  auto* losses = static_cast<double*>(cuda.Scratch(LossScratch(rows, V)));
  if (losses == nullptr) return;
  auto* logits = reinterpret_cast<float*>(losses + rows);
  double* nats = loss.As<double>();

  // What the targets alone say need not wait for the product.
  Branch* counting = cuda.Fork();
  if (counting == nullptr) return;
  cuda.Multiply({.a = top.As<float>(),
                 .b = head.weight.As<float>(),
                 .c = logits,
                 .bias = head.bias.As<float>(),
                 .transpose_b = true,
                 .rows = rows,
                 .columns = V,
                 .inner = H});
  counting->Launch(CountTargets{.targets = targets.As<int32_t>(),
                                .counted = nats + 1,
                                .fault = cuda.fault(),
                                .rows = rows,
                                .vocabulary = V});
  cuda.Join();
  // From here on `logits` are their gradients.
  cuda.Launch(SoftmaxCrossEntropy{.logits = logits,
                                  .targets = targets.As<int32_t>(),
                                  .counted = nats + 1,
                                  .losses = losses,
                                  .rows = rows,
                                  .vocabulary = V});
  // The way back needs only the first of what follows.
  const SumOfDoubles sum{.values = losses, .sum = nats, .count = rows};
  if (d_top.empty()) {
    cuda.Launch(sum);
    return;
  }
  Branch* beside = cuda.Fork();
  if (beside == nullptr) return;
  cuda.Multiply({.a = logits,
                 .b = head.weight.As<float>(),
                 .c = d_top.As<float>(),
                 .rows = rows,
                 .columns = H,
                 .inner = V});
  beside->Launch(sum);
  beside->Multiply({.a = logits,
                    .b = top.As<float>(),
                    .c = d_head.weight.As<float>(),
                    .transpose_a = true,
                    .rows = V,
                    .columns = H,
                    .inner = rows});
  beside->Launch(
      ColumnSums{.values = logits, .sums = d_head.bias.As<float>(), .rows = rows, .columns = V});
}

void CudaBackend::SquaredNorm(Queue& queue, View gradients, View squared_norm) {
  CudaQueue& cuda = AsCuda(queue);
  if (!cuda.Begin()) return;
  SquaresOfChunks squares{.values = gradients.As<float>(), .count = Count(gradients)};
  squares.sums = static_cast<double*>(cuda.Scratch(squares.blocks() * sizeof(double)));
  if (squares.sums == nullptr) return;
  cuda.Launch(squares);
  cuda.Launch(SumOfDoubles{
      .values = squares.sums, .sum = squared_norm.As<double>(), .count = squares.blocks()});
}

void CudaBackend::Update(Queue& queue, const OptimizerConfig& config, const UpdateViews& views) {
  CudaQueue& cuda = AsCuda(queue);
  if (!cuda.Begin()) return;
  auto* update = static_cast<PreparedUpdate*>(cuda.Scratch(sizeof(PreparedUpdate)));
  if (update == nullptr) return;
  double* loss_scale = views.loss_scale.empty() ? nullptr : views.loss_scale.As<double>();
  cuda.Launch(PrepareUpdate{.config = config,
                            .learning_rate = views.learning_rate.As<double>(),
                            .squared_norm = views.squared_norm.As<double>(),
                            .step = views.step.As<int64_t>(),
                            .loss_scale = loss_scale,
                            .update = update});
  switch (config.kind) {
    case OptimizerKind::kSgd:
      cuda.Launch(UpdateBySgd{.weights = views.parameters.As<float>(),
                              .gradients = views.gradients.As<float>(),
                              .update = update,
                              .count = Count(views.parameters)});
      break;
    case OptimizerKind::kMomentum:
      cuda.Launch(UpdateByMomentum{.weights = views.parameters.As<float>(),
                                   .gradients = views.gradients.As<float>(),
                                   .moment1 = views.moment1.As<float>(),
                                   .update = update,
                                   .count = Count(views.parameters)});
      break;
    case OptimizerKind::kAdam:
      cuda.Launch(UpdateByAdam{.weights = views.parameters.As<float>(),
                               .gradients = views.gradients.As<float>(),
                               .moment1 = views.moment1.As<float>(),
                               .moment2 = views.moment2.As<float>(),
                               .update = update,
                               .count = Count(views.parameters)});
      break;
  }
}

void CudaBackend::Logits(Queue& queue, View top, const HeadViews& head, View logits) {
  CudaQueue& cuda = AsCuda(queue);
  if (!cuda.Begin()) return;
  const int64_t V = Count(head.bias);
  cuda.Launch(RowLogits{.top = top.As<float>(),
                        .weight = head.weight.As<float>(),
                        .bias = head.bias.As<float>(),
                        .logits = logits.As<float>(),
                        .rows = Count(logits) / V,
                        .vocabulary = V,
                        .hidden = Count(head.weight) / V});
}

void CudaBackend::LogitsBackward(Queue& queue, View top, const HeadViews& head, View d_logits,
                                 View d_top, View d_weight, GradientMode mode) {
  CudaQueue& cuda = AsCuda(queue);
  if (!cuda.Begin()) return;
  const int64_t V = Count(head.bias), H = Count(head.weight) / V, rows = Count(top) / H;
  const bool add = mode == GradientMode::kAdd;
  float* to = add ? static_cast<float*>(cuda.Scratch(d_weight.bytes())) : d_weight.As<float>();
  if (to == nullptr) return;
  cuda.Multiply({.a = d_logits.As<float>(),
                 .b = head.weight.As<float>(),
                 .c = d_top.As<float>(),
                 .rows = rows,
                 .columns = H,
                 .inner = V});
  cuda.Multiply({.a = d_logits.As<float>(),
                 .b = top.As<float>(),
                 .c = to,
                 .transpose_a = true,
                 .rows = V,
                 .columns = H,
                 .inner = rows});
  if (!add) return;
  float* sum = d_weight.As<float>();
  cuda.Launch(SumOfTwo{.a = sum, .b = to, .sum = sum, .count = Count(d_weight)});
}

void CudaBackend::Sample(Queue& queue, View logits, const SampleViews& views) {
  CudaQueue& cuda = AsCuda(queue);
  if (!cuda.Begin()) return;
  const auto V = static_cast<int32_t>(logits.count / views.tokens.count);
  const auto launch = [&]<class Kernel>(Kernel kernel) {
    kernel.sample = views.rows.Structs<SampleRow>().data();
    kernel.adjustments = views.adjustments.Structs<LogitAdjustment>().data();
    kernel.logits = logits.As<float>();
    kernel.advance = views.advance;
    kernel.tokens = views.tokens.As<int32_t>();
    kernel.rankings = views.rankings.Structs<TokenLogProbability>().data();
    kernel.rows = Count(views.tokens);
    kernel.vocabulary = V;
    cuda.Launch(kernel);
  };
  if (V <= SampleRows::kMostTokens) return launch(SampleRows{});
  SampleRowsOfMany of_many{};
  of_many.scratch =
      static_cast<float*>(cuda.Scratch(SampleRowsOfMany::ScratchBytes(Count(views.tokens), V)));
  if (of_many.scratch != nullptr) launch(of_many);
}

void CudaBackend::CopyStates(Queue& queue, View pool, int64_t slot_elements, View from, View to) {
  DERIN_CHECK(from.count == to.count);
  CudaQueue& cuda = AsCuda(queue);
  if (!cuda.Begin()) return;
  auto* read = static_cast<float*>(cuda.Scratch(from.count * slot_elements * sizeof(float)));
  if (read == nullptr) return;
  cuda.Launch(ReadSlots{.pool = pool.As<float>(),
                        .slots = from.As<int32_t>(),
                        .states = read,
                        .count = Count(from),
                        .slot_elements = slot_elements});
  cuda.Launch(WriteSlots{.states = read,
                         .slots = to.As<int32_t>(),
                         .pool = pool.As<float>(),
                         .count = Count(to),
                         .slot_elements = slot_elements});
}

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> NewCudaBackend(const CudaCalls& calls, int ordinal,
                                                        AlgorithmOptions options) {
  auto device = Device::Open(calls, ordinal);
  if (!device.ok()) return device.status();
  auto setup = CudaQueue::Create(*device, QueuePriority::kTraining);
  if (!setup.ok()) return setup.status();
  return std::make_unique<CudaBackend>(*std::move(device), *std::move(setup), ordinal,
                                       std::move(options));
}

}  // namespace derin::cuda
