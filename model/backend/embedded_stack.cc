#include "model/backend/embedded_stack.h"

#include <utility>
#include <vector>

#include "model/backend/stack_layout.h"

namespace derin {
namespace {

// The same stack over one-hot tokens.
StackConfig OneHotOf(StackConfig config) {
  config.embedding = 0;
  config.tied_head = false;
  return config;
}

int64_t CountOf(const StackConfig& config) {
  const Slice last = StackSlices(config).back();
  return last.offset + last.count;
}

class EmbeddedStack : public RecurrentStack {
 public:
  EmbeddedStack(Backend& backend, const StackConfig& config)
      : backend_(backend), config_(config), slices_(StackSlices(config)) {}

  absl::Status Create(const StackExtent& extent, std::string_view saved_choice) {
    const StackConfig one_hot = OneHotOf(config_);
    auto stack = backend_.NewStack(one_hot, extent, saved_choice);
    if (!stack.ok()) return stack.status();
    stack_ = *std::move(stack);
    const size_t count = CountOf(one_hot), V = config_.vocabulary;
    const std::pair<Buffer*, size_t> wanted[] = {
        {&folded_, count}, {&no_bias_, V}, {&d_folded_, extent.training ? count : 0}};
    for (const auto& [buffer, elements] : wanted) {
      auto allocated = backend_.Allocate(StateType(config_.precision), elements);
      if (!allocated.ok()) return allocated.status();
      *buffer = *std::move(allocated);
    }
    return absl::OkStatus();
  }

  const StackConfig& config() const override { return config_; }
  std::string_view choice() const override { return stack_->choice(); }

  void SetParameters(Queue& queue, View parameters) override {
    parameters_ = parameters;
    const View folded = folded_.view();
    backend_.Logits(queue, WeightIh(parameters), {Embedding(parameters), no_bias_.view()},
                    Folded(folded));
    backend_.Copy(queue, Others(parameters), OthersOfFolded(folded));
    stack_->SetParameters(queue, folded);
  }

  using RecurrentStack::Forward;
  void Forward(Queue& queue, ForwardMode mode, int steps, int batch, View tokens, View state_in,
               View state_out, View top, View dropout) override {
    stack_->Forward(queue, mode, steps, batch, tokens, state_in, state_out, top, dropout);
  }

  void Backward(Queue& queue, View d_top, View loss_scale, View gradients) override {
    const View d_folded = d_folded_.view();
    stack_->Backward(queue, d_top, loss_scale, d_folded);
    backend_.Copy(queue, OthersOfFolded(d_folded), Others(gradients));
    backend_.LogitsBackward(queue, WeightIh(parameters_), {Embedding(parameters_), no_bias_.view()},
                            Folded(d_folded), WeightIh(gradients), Embedding(gradients),
                            config_.tied_head ? GradientMode::kAdd : GradientMode::kWrite);
  }

  void Step(Queue& queue, View tokens, View slots, View pool, View top, StepOfRun of) override {
    stack_->Step(queue, tokens, slots, pool, top, of);
  }

 private:
  // Parts of a flat buffer as StackSlices has it: the first layer's weights of its input, the
  // embedding, which comes last, and what is between them.
  View WeightIh(View flat) const { return flat.Slice(0, slices_.front().count); }
  View Embedding(View flat) const {
    return flat.Slice(slices_.back().offset, slices_.back().count);
  }
  View Others(View flat) const {
    const int64_t first = slices_.front().count;
    return flat.Slice(first, slices_.back().offset - first);
  }
  // And of one without an embedding.
  View Folded(View flat) const { return flat.Slice(0, flat.count - OthersCount()); }
  View OthersOfFolded(View flat) const {
    return flat.Slice(flat.count - OthersCount(), OthersCount());
  }
  size_t OthersCount() const { return slices_.back().offset - slices_.front().count; }

  Backend& backend_;
  const StackConfig config_;
  const std::vector<Slice> slices_;
  std::unique_ptr<RecurrentStack> stack_;
  Buffer folded_, d_folded_;  // flat, of the stack over one-hot tokens
  Buffer no_bias_;            // [V], zeros
  View parameters_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RecurrentStack>> NewEmbeddedStack(Backend& backend,
                                                                 const StackConfig& config,
                                                                 const StackExtent& extent,
                                                                 std::string_view saved_choice) {
  auto stack = std::make_unique<EmbeddedStack>(backend, config);
  if (absl::Status status = stack->Create(extent, saved_choice); !status.ok()) return status;
  return stack;
}

StackPlan PlanEmbeddedStack(const Backend& backend, const StackConfig& config,
                            const StackExtent& extent) {
  const StackConfig one_hot = OneHotOf(config);
  const auto element = static_cast<int64_t>(ElementSize(StateType(config.precision)));
  StackPlan plan = backend.Plan(one_hot, extent);
  plan.weight_bytes += element * (CountOf(one_hot) + config.vocabulary);
  if (extent.training) plan.workspace_bytes += element * CountOf(one_hot);
  return plan;
}

}  // namespace derin
