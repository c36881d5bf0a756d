#include "model/network/language_model.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include "model/check.h"

namespace derin {
namespace {

constexpr size_t kInputBytes = sizeof(SampleRow) + 2 * sizeof(int32_t);  // of a row

}  // namespace

LanguageModel::Inputs::Inputs(const View& bytes, size_t rows)
    : all(bytes.Slice(0, rows * kInputBytes)),
      samples(bytes.Slice(0, rows * sizeof(SampleRow))),
      tokens(bytes.Part(rows * sizeof(SampleRow), rows, ElementType::kI32)),
      slots(bytes.Part(rows * (sizeof(SampleRow) + sizeof(int32_t)), rows, ElementType::kI32)) {}

std::vector<LanguageModel::Wanted> LanguageModel::BuffersOf(const StackConfig& config,
                                                            int max_rows) {
  const size_t N = max_rows, H = config.hidden, V = config.vocabulary;
  const size_t adjustments = N * std::min<size_t>(V, kMostAdjustments);
  const ElementType real = StateType(config.precision);
  return {{&LanguageModel::parameters_, real, static_cast<size_t>(ParameterLayout(config).count())},
          {&LanguageModel::inputs_, ElementType::kByte, N * kInputBytes},
          {&LanguageModel::host_inputs_, ElementType::kByte, N * kInputBytes, Memory::kHost},
          {&LanguageModel::adjustments_, ElementType::kByte, adjustments * sizeof(LogitAdjustment)},
          {&LanguageModel::top_, real, N * H},
          {&LanguageModel::logits_, real, N * V},
          {&LanguageModel::next_, ElementType::kI32, kMostSteps * N},
          {&LanguageModel::host_next_, ElementType::kI32, kMostSteps * N, Memory::kHost},
          {&LanguageModel::rankings_, ElementType::kByte,
           N * kRankingSize * sizeof(TokenLogProbability)},
          {&LanguageModel::zero_slots_, ElementType::kI32, N},
          {&LanguageModel::fresh_slots_, ElementType::kI32, N}};
}

int64_t LanguageModel::DeviceBytes(const Backend& backend, const StackConfig& config,
                                   int max_rows) {
  const StackPlan stack = backend.Plan(config, StackExtent{.step_rows = max_rows});
  int64_t bytes = stack.weight_bytes + stack.workspace_bytes + stack.scratch_bytes;
  for (const Wanted& one : BuffersOf(config, max_rows)) {
    if (one.memory == Memory::kHost) continue;
    bytes += static_cast<int64_t>(one.count * ElementSize(one.type));
  }
  return bytes;
}

absl::StatusOr<std::unique_ptr<LanguageModel>> LanguageModel::Create(Backend& backend,
                                                                     const StackConfig& config,
                                                                     const Parameters& parameters,
                                                                     int max_rows) {
  DERIN_CHECK(StateType(config.precision) == ElementType::kF32);
  auto model = std::unique_ptr<LanguageModel>(new LanguageModel(backend, max_rows));
  for (const Wanted& one : BuffersOf(config, max_rows)) {
    auto allocated = backend.Allocate(one.type, one.count, one.memory);
    if (!allocated.ok()) return allocated.status();
    (*model).*one.buffer = *std::move(allocated);
  }
  auto stack = backend.NewStack(config, StackExtent{.step_rows = max_rows});
  if (!stack.ok()) return stack.status();
  model->stack_ = *std::move(stack);

  // Packing large weights takes long: streams of other models go before.
  auto queue = backend.NewQueue(QueuePriority::kTraining);
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

size_t LanguageModel::RowsFor(size_t rows) const {
  if (backend_.capabilities().synchronous) return rows;
  return std::min(std::bit_ceil(rows), static_cast<size_t>(max_rows_));
}

void LanguageModel::PutInputs(Queue& queue, absl::Span<const Row> rows, size_t size) {
  const Inputs inputs(host_inputs_.view(), size);
  const auto samples = inputs.samples.Structs<SampleRow>();
  auto* tokens = inputs.tokens.As<int32_t>();
  auto* slots = inputs.slots.As<int32_t>();
  host_adjustments_.clear();
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    DERIN_CHECK(row.sample.ranked <= kMostRanked);
    DERIN_CHECK(row.adjustments.size() <= static_cast<size_t>(kMostAdjustments));
    tokens[i] = row.token;
    slots[i] = row.slot;
    samples[i] = row.sample;
    samples[i].first_adjustment = static_cast<int32_t>(host_adjustments_.size());
    samples[i].adjustment_count = static_cast<int32_t>(row.adjustments.size());
    host_adjustments_.insert(host_adjustments_.end(), row.adjustments.begin(),
                             row.adjustments.end());
  }
  for (size_t i = rows.size(); i < size; ++i) {
    tokens[i] = 0;
    slots[i] = -1;
    samples[i] = {.forced_token = 0};
  }
  if (host_adjustments_.empty()) return;
  backend_.Upload(queue, host_adjustments_.data(),
                  adjustments_.view().Slice(0, host_adjustments_.size() * sizeof(LogitAdjustment)));
}

void LanguageModel::Enqueue(Queue& queue, View pool, size_t rows, int steps) {
  const size_t H = config().hidden, V = config().vocabulary;
  const Inputs inputs(inputs_.view(), rows);
  const View top = top_.view().Slice(0, rows * H), logits = logits_.view().Slice(0, rows * V);
  backend_.Copy(queue, Inputs(host_inputs_.view(), rows).all, inputs.all);
  View tokens = inputs.tokens;
  for (int step = 0; step < steps; ++step) {
    const View chosen = next_.view().Slice(step * rows, rows);
    stack_->Step(queue, tokens, inputs.slots, pool, top,
                 {.first = step == 0, .last = step + 1 == steps});
    backend_.Logits(queue, top, head_, logits);
    backend_.Sample(queue, logits,
                    {.rows = inputs.samples,
                     .adjustments = adjustments_.view(),
                     .tokens = chosen,
                     .advance = step,
                     .rankings = rankings_.view()});
    tokens = chosen;
  }
  backend_.Copy(queue, next_.view().Slice(0, steps * rows),
                host_next_.view().Slice(0, steps * rows));
}

void LanguageModel::Run(Queue& queue, View pool, size_t rows, int steps) {
  if (backend_.capabilities().synchronous) return Enqueue(queue, pool, rows, steps);
  if (recorded_on_ != queue.id()) recordings_.clear();
  recorded_on_ = queue.id();
  std::unique_ptr<Recording>& recording = recordings_[{pool.data, rows, steps}];
  if (recording == nullptr) {
    recording =
        backend_.Record([this, pool, rows, steps](Queue& on) { Enqueue(on, pool, rows, steps); });
  }
  recording->Run(queue);
}

absl::Status LanguageModel::Step(Queue& queue, HiddenStatePool& pool, absl::Span<const Row> rows,
                                 absl::Span<int32_t> next,
                                 absl::Span<TokenLogProbability> rankings) {
  const size_t N = rows.size();
  DERIN_CHECK(N >= 1 && static_cast<int>(N) <= max_rows_ && next.size() == N);
  const size_t size = RowsFor(N);
  ZeroFreshStates(queue, pool, rows);
  PutInputs(queue, rows, size);
  Run(queue, pool.view(), size, 1);
  const View ranked = rankings_.view().Slice(0, rankings.size() * sizeof(TokenLogProbability));
  absl::Status status =
      rankings.empty() ? queue.Finish() : backend_.Download(queue, ranked, rankings.data());
  if (status.ok()) std::memcpy(next.data(), host_next_.view().data, N * sizeof(int32_t));
  return status;
}

absl::Status LanguageModel::Steps(Queue& queue, HiddenStatePool& pool, absl::Span<const Row> rows,
                                  int steps, absl::Span<int32_t> next) {
  const size_t N = rows.size();
  DERIN_CHECK(N >= 1 && static_cast<int>(N) <= max_rows_ && steps >= 1 && steps <= kMostSteps &&
              next.size() == N * steps);
  for (const Row& row : rows) DERIN_CHECK(row.sample.forced_token < 0 && row.sample.ranked < 0);
  const size_t size = RowsFor(N);
  ZeroFreshStates(queue, pool, rows);
  PutInputs(queue, rows, size);
  Run(queue, pool.view(), size, steps);
  if (absl::Status status = queue.Finish(); !status.ok()) return status;
  const auto* chosen = host_next_.view().As<int32_t>();
  for (int step = 0; step < steps; ++step) {
    std::copy_n(chosen + step * size, N, next.data() + step * N);
  }
  return absl::OkStatus();
}

}  // namespace derin
