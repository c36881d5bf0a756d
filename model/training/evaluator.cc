#include "model/training/evaluator.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace derin {

Evaluator::Evaluator(Backend& backend, const StackConfig& config, View corpus)
    : backend_(backend), layout_(config), corpus_(corpus) {}

absl::StatusOr<std::unique_ptr<Evaluator>> Evaluator::Create(Backend& backend,
                                                             const StackConfig& config, View tokens,
                                                             int steps, int batch) {
  DERIN_CHECK(tokens.count >= 2);
  auto evaluator = std::unique_ptr<Evaluator>(new Evaluator(backend, config, tokens));
  const auto targets = static_cast<int64_t>(tokens.count) - 1;
  evaluator->rows_ = static_cast<int>(std::clamp<int64_t>(targets / steps, 1, batch));
  evaluator->row_length_ = targets / evaluator->rows_;
  evaluator->steps_ = static_cast<int>(std::min<int64_t>(steps, evaluator->row_length_));

  const size_t B = evaluator->rows_, window = B * evaluator->steps_, H = config.hidden;
  const ElementType real = StateType(config.precision);
  const size_t state = B * StateElements(config);
  const std::pair<Buffer*, std::pair<ElementType, size_t>> wanted[] = {
      {&evaluator->starts_, {ElementType::kI64, B}},
      {&evaluator->tokens_, {ElementType::kI32, window}},
      {&evaluator->targets_, {ElementType::kI32, window}},
      {&evaluator->state_, {real, state}},
      {&evaluator->state_out_, {real, state}},
      {&evaluator->top_, {real, window * H}},
      {&evaluator->loss_, {ElementType::kF64, 2}}};
  for (const auto& [buffer, size] : wanted) {
    auto allocated = backend.Allocate(size.first, size.second);
    if (!allocated.ok()) return allocated.status();
    *buffer = *std::move(allocated);
  }
  return evaluator;
}

absl::StatusOr<LossTotal> Evaluator::Evaluate(Queue& queue, RecurrentStack& stack,
                                              View parameters) {
  const Slice &weight = layout_.head_weight(), &bias = layout_.head_bias();
  const HeadViews head = {parameters.Slice(weight.offset, weight.count),
                          parameters.Slice(bias.offset, bias.count)};
  const size_t B = rows_, H = stack.config().hidden;
  backend_.Zero(queue, state_.view());
  LossTotal total;
  std::vector<int64_t> starts(B);
  for (int64_t done = 0; done < row_length_; done += steps_) {
    const size_t T = std::min<int64_t>(steps_, row_length_ - done);
    for (size_t b = 0; b < B; ++b) starts[b] = static_cast<int64_t>(b) * row_length_ + done;
    const View tokens = tokens_.view().Slice(0, T * B), targets = targets_.view().Slice(0, T * B),
               top = top_.view().Slice(0, T * B * H);
    backend_.Upload(queue, starts.data(), starts_.view());
    backend_.GatherWindow(queue, corpus_, starts_.view(), tokens, targets);
    stack.Forward(queue, ForwardMode::kInference, static_cast<int>(T), rows_, tokens, state_.view(),
                  state_out_.view(), top);
    backend_.ProjectAndLoss(queue, top, head, targets, loss_.view(), View{}, HeadViews{});
    backend_.Copy(queue, state_out_.view(), state_.view());
    double figures[2];
    if (absl::Status status = backend_.Download(queue, loss_.view(), figures); !status.ok()) {
      return status;
    }
    total.nats += figures[0];
    total.tokens += static_cast<int64_t>(figures[1]);
  }
  return total;
}

}  // namespace derin
