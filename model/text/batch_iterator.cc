#include "model/text/batch_iterator.h"

#include <limits>

#include "absl/strings/str_format.h"
#include "model/check.h"
#include "model/text/partition_draw.h"

namespace derin {

absl::Status BatchIterator::Validate(const BatchConfig& config) {
  if (config.batch < 1 || config.steps < 1) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "batch is %d and steps is %d; both must be at least 1", config.batch, config.steps));
  }
  const int64_t needed = (int64_t{config.batch} + 1) * config.steps;
  if (config.token_count < needed) {
    return absl::FailedPreconditionError(
        absl::StrFormat("there are %d tokens; minibatches of %d rows of %d steps need at least %d",
                        config.token_count, config.batch, config.steps, needed));
  }
  constexpr int64_t kMostWindows = std::numeric_limits<uint32_t>::max();  // that one draw reaches
  if (config.partition == Partition::kRandom && config.token_count / config.steps > kMostWindows) {
    return absl::FailedPreconditionError(
        absl::StrFormat("there are %d windows of %d steps; a random partition shuffles at most %d",
                        config.token_count / config.steps, config.steps, kMostWindows));
  }
  return absl::OkStatus();
}

BatchIterator::BatchIterator(const BatchConfig& config) : config_(config) {
  DERIN_CHECK(Validate(config).ok());
}

int64_t BatchIterator::Offset(int64_t epoch) const {
  return DrawBelow(config_.seed, epoch, 0, config_.steps);
}

int64_t BatchIterator::StepsInEpoch(int64_t epoch) const {
  const int64_t n = config_.token_count - Offset(epoch) - 1;
  return n / (int64_t{config_.batch} * config_.steps);  // n / B / T and n / T / B alike
}

int64_t BatchIterator::StepsInEpochs(int64_t epochs) const {
  int64_t steps = 0;
  for (int64_t epoch = 0; epoch < epochs; ++epoch) steps += StepsInEpoch(epoch);
  return steps;
}

int64_t BatchIterator::EpochsWithSteps(int64_t steps) const {
  int64_t epochs = 0;
  for (; steps > 0; ++epochs) steps -= StepsInEpoch(epochs);
  return epochs;
}

void BatchIterator::StartEpoch(int64_t epoch) {
  offset_ = Offset(epoch);
  steps_in_epoch_ = StepsInEpoch(epoch);
  const int64_t n = config_.token_count - offset_ - 1;
  if (config_.partition == Partition::kSequential) {
    row_stride_ = n / config_.batch;
    return;
  }
  windows_.resize(static_cast<size_t>(n / config_.steps));
  for (size_t i = 0; i < windows_.size(); ++i) {
    windows_[i] = offset_ + static_cast<int64_t>(i) * config_.steps;
  }
  Shuffle(config_.seed, epoch, 1, windows_);  // draw 0 was the offset
}

void BatchIterator::Starts(int64_t index, absl::Span<int64_t> starts) const {
  DERIN_CHECK(index >= 0 && index < steps_in_epoch_);
  DERIN_CHECK(starts.size() == static_cast<size_t>(config_.batch));
  for (int64_t row = 0; row < config_.batch; ++row) {
    starts[row] = config_.partition == Partition::kSequential
                      ? offset_ + row * row_stride_ + index * config_.steps
                      : windows_[index * config_.batch + row];
  }
}

}  // namespace derin
