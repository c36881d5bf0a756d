#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "absl/time/time.h"

namespace derin::server {

// How fast a job is over the last few seconds, or over its last step where that took longer.
class Throughput {
 public:
  // How far the job was at `now`; times rise.
  void Add(absl::Duration now, int64_t tokens, double fraction_done);

  // 0 before two times are known.
  double TokensPerSecond() const;
  // Nullopt while the job does not seem to move.
  std::optional<absl::Duration> TimeLeft() const;

 private:
  static constexpr absl::Duration kWindow = absl::Seconds(5);
  // Two points closer than this are not both kept: at most 100 in the window.
  static constexpr absl::Duration kResolution = absl::Milliseconds(50);
  struct Point {
    absl::Duration time;
    int64_t tokens = 0;
    double fraction_done = 0;
  };

  // The first is the newest one that is at least kWindow older than the last, once there is one.
  std::deque<Point> points_;
};

}  // namespace derin::server
