#pragma once

#include <algorithm>
#include <cstdint>

namespace derin {

// What ends a training before its epochs do, whichever comes first. 0 means no such end.
struct EarlyEnds {
  // Steps done when the counting begins: those of another training that this one goes on from.
  int64_t first_step = 0;
  int64_t max_steps = 0;
  // The judged perplexity is that over the held-out tokens, or the epoch's own where there are
  // none. A training ends where it is measured to be at or under this...
  double target_perplexity = 0;
  // ...or once so many epochs in a row gave none that is lower than the best before.
  int64_t patience_epochs = 0;

  // The step that is the last, when `all_steps` are those of all epochs.
  int64_t LastStep(int64_t all_steps) const {
    return max_steps == 0 ? all_steps : std::min(all_steps, first_step + max_steps);
  }
};

// What ended a training.
enum class TrainingEnd { kNone, kTargetReached, kEpochs, kMaxSteps, kNoImprovement };

}  // namespace derin
