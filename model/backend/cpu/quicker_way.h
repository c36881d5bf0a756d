#pragma once

#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace derin::cpu {

// Which of two ways to do the same work takes less time, found by doing it both ways in turn at
// first. Work of about the same size, to a power of two, is one kind: what is quicker depends on
// how much of the weights a core's cache holds, and so on the machine.
class QuickerWay {
 public:
  // How often each way is tried; the quickest of its tries counts, so that somebody else's load on
  // the machine decides nothing.
  static constexpr int kTries = 16;

  // For work of up to `most`.
  explicit QuickerWay(int64_t most);

  // 0 or 1, for work of size `size`, from 1 to `most`.
  int Choose(int64_t size) const;
  // Whether Took still wants to know.
  bool Tries(int64_t size) const { return KindOf(size).tries < 2 * kTries; }
  // That the way last chosen took so long.
  void Took(int64_t size, absl::Duration duration);

 private:
  struct Kind {
    int tries = 0;
    absl::Duration least[2] = {absl::InfiniteDuration(), absl::InfiniteDuration()};
  };
  const Kind& KindOf(int64_t size) const;

  std::vector<Kind> kinds_;  // by the number of bits of the size
};

}  // namespace derin::cpu
