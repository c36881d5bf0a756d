#include "model/text/batch_mix.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "model/check.h"

namespace derin {

std::vector<int> RowsByWeight(absl::Span<const double> weights, int batch) {
  DERIN_CHECK(!weights.empty() && static_cast<int>(weights.size()) <= batch);
  const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<int> rows(weights.size());
  // What each lacks of its exact part; below 0 where its one row is more than that.
  std::vector<double> lacks(weights.size());
  int dealt = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const double exact = batch * (weights[i] / all);
    rows[i] = std::max(1, static_cast<int>(std::floor(exact)));
    lacks[i] = exact - rows[i];
    dealt += rows[i];
  }
  for (; dealt < batch; ++dealt) {
    const auto most = std::max_element(lacks.begin(), lacks.end()) - lacks.begin();
    ++rows[most];
    --lacks[most];
  }
  for (; dealt > batch; --dealt) {
    size_t least = weights.size();
    for (size_t i = 0; i < weights.size(); ++i) {
      if (rows[i] > 1 && (least == weights.size() || lacks[i] < lacks[least])) least = i;
    }
    --rows[least];
    ++lacks[least];
  }
  return rows;
}

BatchConfig BatchMix::ConfigOf(const BatchMixConfig& config, size_t part) {
  return {.token_count = config.parts[part].token_count,
          .batch = config.parts[part].rows,
          .steps = config.steps,
          .partition = config.partition,
          .seed = config.seed + part};
}

absl::Status BatchMix::Validate(const BatchMixConfig& config) {
  for (size_t part = 0; part < config.parts.size(); ++part) {
    if (absl::Status status = BatchIterator::Validate(ConfigOf(config, part)); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

BatchMix::BatchMix(const BatchMixConfig& config) {
  DERIN_CHECK(!config.parts.empty());
  int64_t tokens = 0, rows = 0;
  for (size_t part = 0; part < config.parts.size(); ++part) {
    texts_.push_back({.batches = BatchIterator(ConfigOf(config, part)),
                      .first_token = tokens,
                      .rows = config.parts[part].rows});
    tokens += config.parts[part].token_count;
    rows += config.parts[part].rows;
  }
  DERIN_CHECK(rows > 0 && config.steps > 0);
  // Each part fills a minibatch of its rows, so all of them fill one of all rows.
  if (texts_.size() > 1) steps_of_several_ = tokens / (rows * config.steps);
}

int64_t BatchMix::StepsInEpoch(int64_t epoch) const {
  return steps_of_several_ > 0 ? steps_of_several_ : texts_.front().batches.StepsInEpoch(epoch);
}

int64_t BatchMix::StepsInEpochs(int64_t epochs) const {
  return steps_of_several_ > 0 ? epochs * steps_of_several_
                               : texts_.front().batches.StepsInEpochs(epochs);
}

int64_t BatchMix::EpochsWithSteps(int64_t steps) const {
  return steps_of_several_ > 0 ? (steps + steps_of_several_ - 1) / steps_of_several_
                               : texts_.front().batches.EpochsWithSteps(steps);
}

void BatchMix::GoTo(int64_t step, Text& text) {
  if (step < text.pass_begin) text.pass = text.pass_begin = 0;
  int64_t steps = text.batches.StepsInEpoch(text.pass);
  while (step >= text.pass_begin + steps) {
    text.pass_begin += steps;
    steps = text.batches.StepsInEpoch(++text.pass);
  }
  text.batches.StartEpoch(text.pass);
}

void BatchMix::StartEpoch(int64_t epoch) {
  steps_in_epoch_ = StepsInEpoch(epoch);
  if (steps_of_several_ == 0) {
    texts_.front().batches.StartEpoch(epoch);
    return;
  }
  epoch_begin_ = epoch * steps_of_several_;
  for (Text& text : texts_) GoTo(epoch_begin_, text);
}

void BatchMix::Starts(int64_t index, absl::Span<int64_t> starts) {
  DERIN_CHECK(index >= 0 && index < steps_in_epoch_);
  if (steps_of_several_ == 0) return texts_.front().batches.Starts(index, starts);
  const int64_t step = epoch_begin_ + index;
  size_t row = 0;
  for (Text& text : texts_) {
    if (step >= text.pass_begin + text.batches.steps_in_epoch()) GoTo(step, text);
    const absl::Span<int64_t> own = starts.subspan(row, static_cast<size_t>(text.rows));
    text.batches.Starts(step - text.pass_begin, own);
    for (int64_t& start : own) start += text.first_token;
    row += own.size();
  }
  DERIN_CHECK(row == starts.size());
}

}  // namespace derin
