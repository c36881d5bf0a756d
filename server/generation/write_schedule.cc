#include "server/generation/write_schedule.h"

#include <algorithm>

namespace derin::server {

void WriteSchedule::Add(Generation* stream, std::optional<absl::Duration> interval) {
  streams_[stream] = {.interval = interval};
  if (!interval.has_value()) ++default_streams_;
}

void WriteSchedule::Remove(Generation* stream) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  waiting_.erase({found->second.due, stream});
  if (!found->second.interval.has_value()) --default_streams_;
  streams_.erase(found);
}

void WriteSchedule::Queue(Generation* generation, const Stream& stream) {
  if (stream.ready && !stream.sending) waiting_.insert({stream.due, generation});
}

void WriteSchedule::Ready(Generation* stream, bool settled) {
  const auto found = streams_.find(stream);
  if (found == streams_.end() || (found->second.ready && !settled)) return;
  if (settled) {
    waiting_.erase({found->second.due, stream});
    found->second.due = absl::InfinitePast();
  }
  found->second.ready = true;
  Queue(stream, found->second);
}

void WriteSchedule::Written(Generation* stream) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  found->second.sending = false;
  Queue(stream, found->second);
}

absl::Duration WriteSchedule::DefaultInterval() const {
  return std::clamp(absl::Seconds(default_streams_ / messages_per_second_), kShortestDefault,
                    kLongestDefault);
}

std::vector<Generation*> WriteSchedule::TakeDue(absl::Time now) {
  std::vector<Generation*> due;
  if (NextDue() > now) return due;
  const absl::Duration default_interval = DefaultInterval();
  const absl::Time soon = now + default_interval / 4;
  for (auto next = waiting_.begin(); next != waiting_.end() && next->first <= soon;) {
    Generation* generation = next->second;
    Stream& stream = streams_[generation];
    if (next->first > now && stream.interval.has_value()) {
      ++next;
      continue;
    }
    next = waiting_.erase(next);
    stream.ready = false;
    stream.sending = true;
    const absl::Duration interval = stream.interval.value_or(default_interval);
    if (interval > absl::ZeroDuration()) stream.due = now + interval;
    due.push_back(generation);
  }
  return due;
}

absl::Time WriteSchedule::NextDue() const {
  return waiting_.empty() ? absl::InfiniteFuture() : waiting_.begin()->first;
}

}  // namespace derin::server
