#include "model/backend/reference/reference_backend.h"

#include <algorithm>
#include <string>
#include <vector>

#include "model/backend/embedded_stack.h"
#include "model/backend/host_backend.h"
#include "model/backend/reference/matrix.h"
#include "model/backend/reference/reference_head.h"
#include "model/backend/reference/reference_stack.h"
#include "model/backend/stack_layout.h"
#include "model/sampling/sampler_arithmetic.h"

namespace derin::reference {
namespace {

// Calls `body` with a value of the real type that `view` holds.
template <typename Body>
void WithRealType(const View& view, const Body& body) {
  if (view.type == ElementType::kF64) {
    body(double{});
  } else {
    body(float{});
  }
}

class ReferenceBackend : public HostBackend {
 public:
  ReferenceBackend()
      : HostBackend({.backend = "reference", .precisions = {Precision::kF32, Precision::kF64}}) {}

  std::string EngineId(Precision precision) const override {
    return "reference/" + std::string(PrecisionName(precision)) + "/1";
  }

  absl::StatusOr<std::unique_ptr<Queue>> NewQueue(QueuePriority) override {
    return std::make_unique<HostQueue>();
  }

  StackPlan Plan(const StackConfig& config, const StackExtent& extent) const override {
    if (config.embedding > 0) return PlanEmbeddedStack(*this, config, extent);
    const int64_t real = static_cast<int64_t>(ElementSize(StateType(config.precision)));
    const int64_t gates = int64_t{GateCount(config.cell)} * config.hidden;
    const int64_t window = int64_t{extent.steps} * PaddedRows(extent.batch);
    const Slice last = StackSlices(config).back();
    StackPlan plan;
    plan.weight_bytes = real * (last.offset + last.count);
    // Input parts of the gates, their gradients (two sets) and the gradients of a layer's outputs.
    plan.workspace_bytes =
        real * std::max(window * (3 * gates + config.hidden),
                        int64_t{config.layers} * PaddedRows(extent.step_rows) * 3 * gates);
    // Gates, tanh(c), h and c, each step's twice: in its activations and in the sequence; and what
    // is read of the layer below, with its factors.
    plan.reserve_bytes = real * config.layers * window * (gates + 7 * config.hidden);
    plan.slot_bytes = real * StateElements(config);
    return plan;
  }

  absl::StatusOr<std::unique_ptr<RecurrentStack>> NewStack(const StackConfig& config,
                                                           const StackExtent& extent,
                                                           std::string_view choice) override {
    if (absl::Status status = CheckStack(config, extent); !status.ok()) return status;
    if (config.embedding > 0) return NewEmbeddedStack(*this, config, extent, choice);
    if (config.precision == Precision::kF64) {
      return std::make_unique<ReferenceStack<double>>(config, extent);
    }
    return std::make_unique<ReferenceStack<float>>(config, extent);
  }

  void ProjectAndLoss(Queue& queue, View top, const HeadViews& head, View targets, View loss,
                      View d_top, const HeadViews& d_head) override {
    if (!Ok(queue)) return;
    WithRealType(top, [&](auto real) {
      static_cast<HostQueue&>(queue).Fail(
          reference::ProjectAndLoss<decltype(real)>(top, head, targets, loss, d_top, d_head));
    });
  }

  void SquaredNorm(Queue& queue, View gradients, View squared_norm) override {
    if (!Ok(queue)) return;
    WithRealType(gradients, [&](auto real) {
      *squared_norm.As<double>() = reference::SquaredNorm<decltype(real)>(gradients);
    });
  }

  void Update(Queue& queue, const OptimizerConfig& config, const UpdateViews& views) override {
    DERIN_CHECK(views.loss_scale.empty());
    if (!Ok(queue)) return;
    WithRealType(views.parameters,
                 [&](auto real) { reference::Update<decltype(real)>(config, views); });
  }

  void Logits(Queue& queue, View top, const HeadViews& head, View logits) override {
    if (!Ok(queue)) return;
    WithRealType(top, [&](auto real) { reference::Logits<decltype(real)>(top, head, logits); });
  }

  void LogitsBackward(Queue& queue, View top, const HeadViews& head, View d_logits, View d_top,
                      View d_weight, GradientMode mode) override {
    if (!Ok(queue)) return;
    WithRealType(top, [&](auto real) {
      reference::LogitsBackward<decltype(real)>(top, head, d_logits, d_top, d_weight, mode);
    });
  }

  void Sample(Queue& queue, View logits, const SampleViews& views) override {
    if (!Ok(queue)) return;
    const size_t N = views.tokens.count, V = logits.count / N;
    const auto rows = views.rows.Structs<SampleRow>();
    const auto adjustments = views.adjustments.Structs<LogitAdjustment>();
    const auto rankings = views.rankings.Structs<TokenLogProbability>();
    std::vector<float> of_row(V), scratch(2 * V);
    for (size_t i = 0; i < N; ++i) {
      WithRealType(logits, [&](auto real) {
        const auto* from = logits.As<decltype(real)>() + i * V;
        std::copy(from, from + V, of_row.begin());
      });
      int32_t& token = views.tokens.As<int32_t>()[i];
      SampleRow row = rows[i];
      row.position += views.advance;
      token = SampleToken(row, adjustments, of_row, absl::MakeSpan(scratch));
      if (rows[i].ranked < 0) continue;
      RankTokens(of_row.data(), static_cast<int32_t>(V), token, rows[i].ranked,
                 &rankings[i * kRankingSize]);
    }
  }
};

}  // namespace

std::unique_ptr<Backend> NewReferenceBackend() { return std::make_unique<ReferenceBackend>(); }

}  // namespace derin::reference
