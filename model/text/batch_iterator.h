#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace derin {

// How windows are cut from a text. Source: "Dive into Deep Learning", section 8.3 of its first
// edition.
enum class Partition {
  // Row b of the batch reads the b-th of `batch` contiguous parts of equal length, window after
  // window, from a random offset.
  kSequential,
  // Windows in shuffled order.
  kRandom,
};

struct BatchConfig {
  int64_t token_count = 0;  // of the text
  int batch = 32;           // rows, B
  int steps = 35;           // time steps of a window, T
  Partition partition = Partition::kSequential;
  uint64_t seed = 0;
};

// Where the windows of each minibatch start. A window that starts at s has inputs [s, s + T) and
// targets [s + 1, s + T + 1).
//
// Everything about an epoch follows from (seed, epoch) through Philox with purpose 3, so any epoch
// can be replayed alone. The offset is draw 0, an integer below T. Sequential: with n = N - offset
// - 1 tokens after it, rows are n / B apart and hold n / B / T windows. Random: the n / T windows
// after the offset are shuffled (Fisher-Yates from the last, draws 1, 2, ...); n / T / B
// minibatches, the rest is left out.
class BatchIterator {
 public:
  // FAILED_PRECONDITION when some offset would leave no whole minibatch, saying how many tokens
  // there are and how many are needed: B * T + T; or when a shuffle would reach more than 2^32 - 1
  // windows. INVALID_ARGUMENT when B or T is below 1.
  static absl::Status Validate(const BatchConfig& config);

  // `config` passed Validate.
  explicit BatchIterator(const BatchConfig& config);

  // Begins `epoch`, counting from 0.
  void StartEpoch(int64_t epoch);
  // Minibatches of the epoch begun.
  int64_t steps_in_epoch() const { return steps_in_epoch_; }
  // Minibatches of `epoch`, without beginning it.
  int64_t StepsInEpoch(int64_t epoch) const;
  // Minibatches of the first `epochs` epochs together.
  int64_t StepsInEpochs(int64_t epochs) const;
  // How many epochs must at least begin for so many minibatches.
  int64_t EpochsWithSteps(int64_t steps) const;
  // Start of each row's window in minibatch `index` of the epoch begun; `starts` has B elements.
  void Starts(int64_t index, absl::Span<int64_t> starts) const;

 private:
  int64_t Offset(int64_t epoch) const;

  BatchConfig config_;
  int64_t offset_ = 0;
  int64_t row_stride_ = 0;        // kSequential
  std::vector<int64_t> windows_;  // kRandom: shuffled starts
  int64_t steps_in_epoch_ = 0;
};

}  // namespace derin
