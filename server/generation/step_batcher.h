#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "server/generation/generation.h"

namespace derin::server {

// Chooses which calls take part in the engine's next step. One thread.
//
// A step serves one model version: that of the call that has waited longest, with all others of
// this version that are ready, longest waiting first. So versions take turns, and so do calls when
// there are more than fit a step.
class StepBatcher {
 public:
  // A step takes at most `max_rows` calls.
  explicit StepBatcher(size_t max_rows) : max_rows_(max_rows) {}

  void Add(std::shared_ptr<Generation> generation);

  // The calls of the next step; they are at the end of the line afterwards.
  // Empty when none is ready: each waits for room in its outbox, or for tokens of its caller.
  std::vector<std::shared_ptr<Generation>> NextStep();
  // How long until a caller of those that have room has tokens again; infinite when none waits for
  // that.
  absl::Duration TokenDelay() const;

  // Removes and returns those that `leaves` is true for.
  template <typename Predicate>
  std::vector<std::shared_ptr<Generation>> Remove(const Predicate& leaves) {
    std::vector<std::shared_ptr<Generation>> gone;
    std::erase_if(line_, [&](const std::shared_ptr<Generation>& one) {
      if (!leaves(*one)) return false;
      gone.push_back(one);
      return true;
    });
    return gone;
  }

  size_t size() const { return line_.size(); }

 private:
  const size_t max_rows_;
  std::vector<std::shared_ptr<Generation>> line_;  // those that have waited longest first
};

}  // namespace derin::server
