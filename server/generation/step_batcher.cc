#include "server/generation/step_batcher.h"

#include <algorithm>
#include <utility>

namespace derin::server {

void StepBatcher::Add(std::shared_ptr<Generation> generation) {
  // A newcomer has waited since now.
  generation->place = next_place_++;
  all_.push_back(std::move(generation));
}

std::vector<std::shared_ptr<Generation>> StepBatcher::NextStep() {
  std::vector<std::shared_ptr<Generation>> ready;
  for (const auto& one : all_) {
    if (one->outbox().HasRoom()) ready.push_back(one);
  }
  if (ready.empty()) return ready;
  std::sort(ready.begin(), ready.end(),
            [](const auto& a, const auto& b) { return a->place < b->place; });
  const LoadedVersion* version = ready.front()->session().version().get();
  std::erase_if(ready,
                [version](const auto& one) { return one->session().version().get() != version; });
  if (ready.size() > max_rows_) ready.resize(max_rows_);
  for (const auto& one : ready) one->place = next_place_++;
  return ready;
}

}  // namespace derin::server
