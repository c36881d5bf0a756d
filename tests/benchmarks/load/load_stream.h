#pragma once

#include <functional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "tests/benchmarks/load/load_statistics.h"
#include "tests/benchmarks/load/load_target.h"

namespace derin {

// What several streams see, and when it counts.
struct LoadRecord {
  absl::Time begin, end;  // of the measured time
  // Of the streams of an open loop a text that is ended early counts as if its first token came
  // then: who waits longest must not be left out.
  bool counts_those_that_wait;
  absl::Mutex mutex;
  LoadStatistics statistics ABSL_GUARDED_BY(mutex);
  bool over ABSL_GUARDED_BY(mutex) = false;  // from here on texts end early, which is no error

  bool Measures(absl::Time time) const { return begin <= time && time < end; }
  // A text due at `due` was ended at `now` without a token.
  void GaveUp(absl::Time due, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    ++statistics.without_token;
    if (counts_those_that_wait) statistics.first_token.Record(now - due);
  }
};

// One client, which asks for a text after another.
class LoadStream final : public TextReader {
 public:
  struct Options {
    int connection = 0;
    bool keeps_session = false;  // a text goes on in the session of the one before
  };
  // `on_end` is called after each text, and may start the next one.
  LoadStream(LoadTarget& target, LoadRecord& record, Options options,
             std::function<void(LoadStream&, bool failed)> on_end)
      : target_(target), record_(record), options_(options), on_end_(std::move(on_end)) {}

  // Asks for a text that was due at `due`; the one before it has ended.
  void Start(absl::Time due, uint64_t seed);

  void OnTokens(int count) override;
  void OnEnd(TextEnd end) override;

 private:
  LoadTarget& target_;
  LoadRecord& record_;
  const Options options_;
  const std::function<void(LoadStream&, bool failed)> on_end_;
  // One text's at a time, whose calls come one after another.
  absl::Time due_;
  absl::Time last_message_;  // infinite past before the first
  std::string session_;
};

}  // namespace derin
