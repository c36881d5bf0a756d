#include "model/backend/cpu/cpu_backend.h"

#include <algorithm>
#include <string>

#include "model/backend/cpu/cpu_head.h"
#include "model/backend/cpu/cpu_optimizer.h"
#include "model/backend/cpu/cpu_stack.h"
#include "model/backend/cpu/turn.h"
#include "model/backend/embedded_stack.h"
#include "model/backend/host_backend.h"

namespace derin::cpu {
namespace {

Capabilities CapabilitiesOf(const Device& device) {
  Capabilities capabilities{.backend = "cpu",
                            .instructions = std::string(InstructionSetName(device.instructions)),
                            .threads = device.workers.threads(),
                            .precisions = {Precision::kF32}};
  if (device.kernels.product_bf16 != nullptr) capabilities.precisions.push_back(Precision::kBf16);
  return capabilities;
}

CpuQueue& AsCpu(Queue& queue) { return static_cast<CpuQueue&>(queue); }

class CpuBackend : public HostBackend {
 public:
  explicit CpuBackend(std::unique_ptr<Device> device)
      : HostBackend(CapabilitiesOf(*device)), device_(std::move(device)) {}

  std::string EngineId(Precision precision) const override {
    // The tiles' products of bfloat16 have bits of their own.
    const bool tiles =
        precision == Precision::kBf16 && device_->instructions == InstructionSet::kAmxBf16;
    return (tiles ? "cpu/amx/" : "cpu/") + std::string(PrecisionName(precision)) + "/1";
  }

  std::optional<DeviceTime> TimeOnDevice() const override { return device_->turns.TimeHeld(); }

  absl::StatusOr<std::unique_ptr<Queue>> NewQueue(QueuePriority priority) override {
    return std::make_unique<CpuQueue>(*device_, priority);
  }

  StackPlan Plan(const StackConfig& config, const StackExtent& extent) const override {
    if (config.embedding > 0) return PlanEmbeddedStack(*this, config, extent);
    const int threads = device_->workers.threads();
    StackPlan plan = StackMemory(config, extent, threads).Plan();
    const int64_t V = config.vocabulary, rows = int64_t{extent.steps} * extent.batch;
    plan.scratch_bytes = std::max(rows > 0 ? LossScratchBytes(rows, V) : 0,
                                  extent.step_rows > 0 ? SampleScratchBytes(V, threads) : 0);
    return plan;
  }

  absl::StatusOr<std::unique_ptr<RecurrentStack>> NewStack(const StackConfig& config,
                                                           const StackExtent& extent,
                                                           std::string_view choice) override {
    if (absl::Status status = CheckStack(config, extent); !status.ok()) return status;
    if (config.embedding > 0) return NewEmbeddedStack(*this, config, extent, choice);
    return CpuStack::Create(*device_, config, extent);
  }

  void ProjectAndLoss(Queue& queue, View top, const HeadViews& head, View targets, View loss,
                      View d_top, const HeadViews& d_head) override {
    if (Ok(queue)) cpu::ProjectAndLoss(AsCpu(queue), top, head, targets, loss, d_top, d_head);
  }
  void SquaredNorm(Queue& queue, View gradients, View squared_norm) override {
    if (Ok(queue)) cpu::SquaredNorm(AsCpu(queue), gradients, squared_norm);
  }
  void Update(Queue& queue, const OptimizerConfig& config, const UpdateViews& views) override {
    DERIN_CHECK(views.loss_scale.empty());
    if (Ok(queue)) cpu::Update(AsCpu(queue), config, views);
  }
  void Logits(Queue& queue, View top, const HeadViews& head, View logits) override {
    if (Ok(queue)) cpu::Logits(AsCpu(queue), top, head, logits);
  }
  void LogitsBackward(Queue& queue, View top, const HeadViews& head, View d_logits, View d_top,
                      View d_weight, GradientMode mode) override {
    if (!Ok(queue)) return;
    cpu::LogitsBackward(AsCpu(queue), top, head, d_logits, d_top, d_weight, mode);
  }
  void Sample(Queue& queue, View logits, const SampleViews& views) override {
    if (Ok(queue)) cpu::Sample(AsCpu(queue), logits, views);
  }

 private:
  const std::unique_ptr<Device> device_;
};

}  // namespace

std::unique_ptr<Backend> NewCpuBackend(const CpuOptions& options) {
  const int threads = options.threads > 0 ? options.threads : WorkerPool::AvailableCores();
  return std::make_unique<CpuBackend>(std::make_unique<Device>(options.instructions, threads));
}

}  // namespace derin::cpu
