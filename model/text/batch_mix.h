#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "model/text/batch_iterator.h"

namespace derin {

// How many of `batch` rows each of several texts gets, in proportion to their weights, which are
// above 0: by largest remainders, and at least one. There are no more texts than rows.
std::vector<int> RowsByWeight(absl::Span<const double> weights, int batch);

// A text of several that are trained on together, and the rows of a minibatch that read it.
struct BatchPart {
  int64_t token_count = 0;
  int rows = 0;
};

struct BatchMixConfig {
  std::vector<BatchPart> parts;  // at least one; their tokens follow each other
  int steps = 35;                // time steps of a window, T
  Partition partition = Partition::kSequential;
  uint64_t seed = 0;
};

// Where the windows of each minibatch start, for one text or for several.
//
// One text is read as BatchIterator says. Of several each has rows of its own, the first ones the
// first text's, and its windows there are those of a training on it alone with so many rows: pass
// after pass, each from an offset or in an order of its own, drawn with the seed plus the text's
// number. A text of a large weight begins its next pass while others are in the middle of theirs,
// and a pass goes on where the last epoch left it. An epoch is as many minibatches as all texts
// together fill once.
class BatchMix {
 public:
  // As BatchIterator::Validate, of each part.
  static absl::Status Validate(const BatchMixConfig& config);

  // `config` passed Validate.
  explicit BatchMix(const BatchMixConfig& config);

  // As those of BatchIterator.
  void StartEpoch(int64_t epoch);
  int64_t steps_in_epoch() const { return steps_in_epoch_; }
  int64_t StepsInEpoch(int64_t epoch) const;
  int64_t StepsInEpochs(int64_t epochs) const;
  int64_t EpochsWithSteps(int64_t steps) const;
  // `index` is not below that of an earlier call since StartEpoch.
  void Starts(int64_t index, absl::Span<int64_t> starts);

 private:
  struct Text {
    BatchIterator batches;
    int64_t first_token;  // in what all texts are together
    int rows;
    // The pass under way, and the minibatch of the whole training that it began with.
    int64_t pass = 0, pass_begin = 0;
  };
  // Brings the text to the pass that has minibatch `step` of the whole training.
  static void GoTo(int64_t step, Text& text);
  static BatchConfig ConfigOf(const BatchMixConfig& config, size_t part);

  std::vector<Text> texts_;
  int64_t steps_of_several_ = 0;  // in each epoch; 0 for one text
  int64_t epoch_begin_ = 0;       // of several: the minibatch that the epoch begins with
  int64_t steps_in_epoch_ = 0;
};

}  // namespace derin
