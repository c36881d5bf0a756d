#include "model/network/language_model.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "model/check.h"

namespace derin {

absl::StatusOr<std::unique_ptr<LanguageModel>> LanguageModel::Create(Backend& backend,
                                                                     const StackConfig& config,
                                                                     const Parameters& parameters,
                                                                     int max_rows) {
  const size_t N = max_rows, H = config.hidden, V = config.vocabulary;
  const size_t adjustments = N * std::min<size_t>(V, kMostAdjustments);
  const ElementType real = StateType(config.precision);
  DERIN_CHECK(real == ElementType::kF32);
  auto model = std::unique_ptr<LanguageModel>(new LanguageModel(backend, max_rows));
  const std::pair<Buffer*, std::pair<ElementType, size_t>> wanted[] = {
      {&model->parameters_, {real, parameters.layout.count()}},
      {&model->tokens_, {ElementType::kI32, N}},
      {&model->slots_, {ElementType::kI32, N}},
      {&model->zero_slots_, {ElementType::kI32, N}},
      {&model->fresh_slots_, {ElementType::kI32, N}},
      {&model->samples_, {ElementType::kByte, N * sizeof(SampleRow)}},
      {&model->adjustments_, {ElementType::kByte, adjustments * sizeof(LogitAdjustment)}},
      {&model->top_, {real, N * H}},
      {&model->logits_, {real, N * V}},
      {&model->next_, {ElementType::kI32, N}},
      {&model->rankings_, {ElementType::kByte, N * kRankingSize * sizeof(TokenLogProbability)}}};
  for (const auto& [buffer, size] : wanted) {
    auto allocated = backend.Allocate(size.first, size.second);
    if (!allocated.ok()) return allocated.status();
    *buffer = *std::move(allocated);
  }
  auto stack = backend.NewStack(config, StackExtent{.step_rows = max_rows});
  if (!stack.ok()) return stack.status();
  model->stack_ = *std::move(stack);

  auto queue = backend.NewQueue(QueuePriority::kGeneration);
  if (!queue.ok()) return queue.status();
  const View flat = model->parameters_.view();
  const ParameterLayout& layout = parameters.layout;
  backend.Upload(**queue, parameters.values.data(), flat);
  model->stack_->SetParameters(**queue, flat.Slice(0, layout.stack_count()));
  model->head_ = {flat.Slice(layout.head_weight().offset, layout.head_weight().count),
                  flat.Slice(layout.head_bias().offset, layout.head_bias().count)};
  if (absl::Status status = (*queue)->Finish(); !status.ok()) return status;
  return model;
}

void LanguageModel::ZeroFreshStates(Queue& queue, HiddenStatePool& pool,
                                    absl::Span<const Row> rows) {
  host_fresh_.clear();
  for (const Row& row : rows) {
    if (row.from_zero) host_fresh_.push_back(row.slot);
  }
  if (host_fresh_.empty()) return;
  const View fresh = fresh_slots_.view().Slice(0, host_fresh_.size());
  backend_.Upload(queue, host_fresh_.data(), fresh);
  backend_.CopyStates(queue, pool.view(), pool.slot_elements(),
                      zero_slots_.view().Slice(0, host_fresh_.size()), fresh);
}

void LanguageModel::CollectSamples(absl::Span<const Row> rows) {
  host_samples_.clear();
  host_adjustments_.clear();
  for (const Row& row : rows) {
    DERIN_CHECK(row.sample.ranked <= kMostRanked);
    DERIN_CHECK(row.adjustments.size() <= static_cast<size_t>(kMostAdjustments));
    SampleRow& sample = host_samples_.emplace_back(row.sample);
    sample.first_adjustment = static_cast<int32_t>(host_adjustments_.size());
    sample.adjustment_count = static_cast<int32_t>(row.adjustments.size());
    host_adjustments_.insert(host_adjustments_.end(), row.adjustments.begin(),
                             row.adjustments.end());
  }
}

absl::Status LanguageModel::Step(Queue& queue, HiddenStatePool& pool, absl::Span<const Row> rows,
                                 absl::Span<int32_t> next,
                                 absl::Span<TokenLogProbability> rankings) {
  const size_t N = rows.size(), H = config().hidden, V = config().vocabulary;
  DERIN_CHECK(N >= 1 && static_cast<int>(N) <= max_rows_ && next.size() == N);
  ZeroFreshStates(queue, pool, rows);
  host_tokens_.resize(N);
  host_slots_.resize(N);
  for (size_t i = 0; i < N; ++i) {
    host_tokens_[i] = rows[i].token;
    host_slots_[i] = rows[i].slot;
  }
  CollectSamples(rows);
  const View tokens = tokens_.view().Slice(0, N), slots = slots_.view().Slice(0, N),
             samples = samples_.view().Slice(0, N * sizeof(SampleRow)),
             adjustments =
                 adjustments_.view().Slice(0, host_adjustments_.size() * sizeof(LogitAdjustment)),
             top = top_.view().Slice(0, N * H), logits = logits_.view().Slice(0, N * V),
             chosen = next_.view().Slice(0, N),
             ranked = rankings_.view().Slice(0, rankings.size() * sizeof(TokenLogProbability));
  backend_.Upload(queue, host_tokens_.data(), tokens);
  backend_.Upload(queue, host_slots_.data(), slots);
  backend_.Upload(queue, host_samples_.data(), samples);
  if (!host_adjustments_.empty()) backend_.Upload(queue, host_adjustments_.data(), adjustments);
  stack_->Step(queue, tokens, slots, pool.view(), top);
  backend_.Logits(queue, top, head_, logits);
  backend_.Sample(
      queue, logits,
      {.rows = samples, .adjustments = adjustments, .tokens = chosen, .rankings = ranked});
  absl::Status status = backend_.Download(queue, chosen, next.data());
  if (!status.ok() || rankings.empty()) return status;
  return backend_.Download(queue, ranked, rankings.data());
}

}  // namespace derin
