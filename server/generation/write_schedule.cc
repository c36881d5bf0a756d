#include "server/generation/write_schedule.h"

namespace derin::server {

void WriteSchedule::Add(Generation* stream, absl::Duration interval) {
  streams_[stream] = {.interval = interval};
}

void WriteSchedule::Remove(Generation* stream) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  waiting_.erase({found->second.due, stream});
  streams_.erase(found);
}

void WriteSchedule::Queue(Generation* generation, const Stream& stream) {
  if (stream.ready && !stream.sending) waiting_.insert({stream.due, generation});
}

void WriteSchedule::Ready(Generation* stream, bool settled) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
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

std::vector<Generation*> WriteSchedule::TakeDue(absl::Time now) {
  std::vector<Generation*> due;
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    Generation* generation = waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    Stream& stream = streams_[generation];
    stream.ready = false;
    stream.sending = true;
    if (stream.interval > absl::ZeroDuration()) stream.due = now + stream.interval;
    due.push_back(generation);
  }
  return due;
}

absl::Time WriteSchedule::NextDue() const {
  return waiting_.empty() ? absl::InfiniteFuture() : waiting_.begin()->first;
}

}  // namespace derin::server
