#include "server/generation/step_batcher.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace derin::server {

void StepBatcher::Add(std::shared_ptr<Generation> generation) {
  // A newcomer has waited since now.
  line_.push_back(std::move(generation));
}

std::vector<std::shared_ptr<Generation>> StepBatcher::NextStep() {
  std::vector<std::shared_ptr<Generation>> step;
  const LoadedVersion* version = nullptr;
  size_t stayed = 0;
  for (auto& one : line_) {
    const LoadedVersion* its = one->session().version().get();
    const bool may = step.size() < max_rows_ && (version == nullptr || its == version);
    if (may && one->outbox().HasRoom() && one->token_delay() == absl::ZeroDuration()) {
      version = its;
      step.push_back(std::move(one));
    } else if (auto& place = line_[stayed++]; &place != &one) {
      place = std::move(one);
    }
  }
  line_.resize(stayed);
  line_.insert(line_.end(), step.begin(), step.end());
  return step;
}

absl::Duration StepBatcher::TokenDelay() const {
  absl::Duration least = absl::InfiniteDuration();
  for (const auto& one : line_) {
    if (one->outbox().HasRoom()) least = std::min(least, one->token_delay());
  }
  return least;
}

}  // namespace derin::server
