#include "tests/benchmarks/load/load_stream.h"

#include "absl/time/clock.h"

namespace derin {

void LoadStream::Start(absl::Time due, uint64_t seed) {
  due_ = due;
  last_message_ = absl::InfinitePast();
  target_.Start({.connection = options_.connection, .seed = seed, .session = session_}, this);
}

void LoadStream::OnTokens(int count) {
  const absl::Time now = absl::Now();
  absl::MutexLock lock(&record_.mutex);
  LoadStatistics& statistics = record_.statistics;
  const bool measured = record_.Measures(now);
  if (measured) statistics.tokens += count;
  if (last_message_ == absl::InfinitePast()) {
    if (record_.Measures(due_)) statistics.first_token.Record(now - due_);
  } else if (measured) {
    statistics.gap.Record(now - last_message_);
  }
  last_message_ = now;
}

void LoadStream::OnEnd(TextEnd end) {
  const absl::Time now = absl::Now();
  const bool failed = !end.error.empty();
  {
    absl::MutexLock lock(&record_.mutex);
    LoadStatistics& statistics = record_.statistics;
    if (!failed && record_.Measures(now)) ++statistics.texts;
    if (record_.Measures(due_)) {
      if (failed && !record_.over) ++statistics.errors[end.error];
      if (failed && record_.over && last_message_ == absl::InfinitePast())
        record_.GaveUp(due_, now);
      if (end.queue_time.has_value()) statistics.queue.Record(*end.queue_time);
    }
  }
  // A session that failed may be gone.
  session_ = options_.keeps_session && !failed ? end.session : std::string();
  on_end_(*this, failed);
}

}  // namespace derin
