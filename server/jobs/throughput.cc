#include "server/jobs/throughput.h"

namespace derin::server {

void Throughput::Add(absl::Duration now, int64_t tokens, double fraction_done) {
  if (points_.size() >= 2 && now - points_[points_.size() - 2].time < kResolution) {
    points_.pop_back();
  }
  points_.push_back({now, tokens, fraction_done});
  while (points_.size() > 2 && points_[1].time <= now - kWindow) points_.pop_front();
}

double Throughput::TokensPerSecond() const {
  if (points_.size() < 2) return 0;
  const double seconds = absl::ToDoubleSeconds(points_.back().time - points_.front().time);
  if (seconds <= 0) return 0;
  return static_cast<double>(points_.back().tokens - points_.front().tokens) / seconds;
}

std::optional<absl::Duration> Throughput::TimeLeft() const {
  if (points_.size() < 2) return std::nullopt;
  const double progress = points_.back().fraction_done - points_.front().fraction_done;
  if (progress <= 0) return std::nullopt;
  return (points_.back().time - points_.front().time) *
         ((1 - points_.back().fraction_done) / progress);
}

}  // namespace derin::server
