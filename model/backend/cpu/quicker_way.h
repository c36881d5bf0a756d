#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "absl/time/time.h"

namespace derin::cpu {

// Which of two ways to do the same work takes less time, found by doing it both ways at first. Work
// of about the same size, to a power of two, is one kind: what is quicker depends on how much of
// the weights a core's cache holds, and so on the machine. The second way is one that leaves less
// of the cache to others, and so it must be clearly quicker.
//
// A match is a run of tries of the first way and one of the second, since the first try of a run
// finds in the caches what the other way left. All the time that they take counts: when somebody
// else wants the machine, too, one way may lose more by that than the other.
class QuickerWay {
 public:
  static constexpr int kMatches = 32;
  // Tries in a row: a multiple of the steps of any of the engine's trips, so that both ways have
  // first and last steps alike, which alone copy states.
  static constexpr int kRun = 8;
  // The second way is chosen when it takes less than this part of the first's time.
  static constexpr double kClearly = 0.9;

  // For work of up to `most`.
  explicit QuickerWay(int64_t most);

  // 0 or 1, for work of size `size`, from 1 to `most`.
  int Choose(int64_t size) const;
  // Whether Took still wants to know.
  bool Tries(int64_t size) const { return KindOf(size).matches < kMatches; }
  // Work of this size, done in the way that Choose gave, took `duration`.
  void Took(int64_t size, absl::Duration duration);

 private:
  struct Kind {
    int matches = 0;
    absl::Duration time[2];  // that each way took in all matches, for work of size 1
    // Of the match under way: the size that it began with, tries, and their time.
    int64_t size = 0;
    int tries = 0;
    absl::Duration time_in_match[2];

    // Whether work of this size compares with what the match has seen; else it begins anew.
    bool Compares(int64_t other) const {
      return size > 0 && 16 * std::abs(other - size) <= std::max<int64_t>(size, 16);
    }
  };
  const Kind& KindOf(int64_t size) const;

  std::vector<Kind> kinds_;  // by the number of bits of the size
};

}  // namespace derin::cpu
