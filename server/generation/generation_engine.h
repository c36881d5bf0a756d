#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "model/backend/backend.h"
#include "server/generation/generation.h"
#include "server/generation/session_saver.h"
#include "server/generation/step_batcher.h"
#include "server/generation/stream_writer.h"
#include "server/metrics/monotonic_clock.h"
#include "server/metrics/server_metrics.h"

namespace derin::server {

struct GenerationEngineOptions {
  // Calls at once.
  int max_streams = 256;
  // Calls in one step; versions are loaded for as many.
  int max_rows = 256;
};

// Makes text: one thread that steps all calls of a model version together, cell by cell: calls join
// and leave between steps, at most one step is in flight, and a prompt is forced tokens through the
// same steps. Where no call of a batch needs to be looked at, a few short steps are one trip to the
// device. Without work it is blocked.
class GenerationEngine {
 public:
  // `backend`, `keeper` and `metrics` outlive the engine.
  static absl::StatusOr<std::unique_ptr<GenerationEngine>> Create(
      Backend& backend, SessionKeeper& keeper, ServerMetrics& metrics,
      const GenerationEngineOptions& options, MonotonicClock clock = SystemMonotonicClock());
  // Ends all calls with FINISH_REASON_SERVER_STOPPING and waits until their sinks have that.
  ~GenerationEngine();

  // Takes a call over; its sink gets all that follows. RESOURCE_EXHAUSTED, reason STREAMS_FULL,
  // with a retry hint, or UNAVAILABLE, reason SERVER_STOPPING or DEVICE_LOST: then the session was
  // given back, and the sink gets nothing.
  absl::Status Start(std::shared_ptr<Generation> generation) ABSL_LOCKS_EXCLUDED(mutex_) {
    return StartAll({&generation, 1});
  }
  // All of these, or none.
  absl::Status StartAll(absl::Span<const std::shared_ptr<Generation>> generations)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Something changed that the engine looks at between steps: a call was cancelled, a session
  // closed, an outbox has room.
  void Wake() ABSL_LOCKS_EXCLUDED(mutex_);
  // The message that the sink was given is sent.
  void Written(Generation* generation) { writer_.Written(generation); }

  // Ends every call at its next token with FINISH_REASON_SERVER_STOPPING; takes no more.
  void EndAll() ABSL_LOCKS_EXCLUDED(mutex_);

  // Calls under way.
  int streams() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Those of them that had no step yet.
  int waiting() const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Duration Now() const { return clock_(); }

 private:
  GenerationEngine(Backend& backend, SessionKeeper& keeper, ServerMetrics& metrics,
                   const GenerationEngineOptions& options, MonotonicClock clock,
                   std::unique_ptr<Queue> queue);

  void Run();
  bool HasNews() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return news_; }
  // Waits so long for news; newcomers join the batcher. False once all is over.
  bool TakeNews(absl::Duration wait) ABSL_LOCKS_EXCLUDED(mutex_);
  // How long there is nothing to do when no call is ready, unless there are news.
  absl::Duration TimeToWait() const;
  void EndThoseThatLeave();
  // A call that makes its session's last one again takes its place.
  void TakeOver(Generation& newcomer);
  // Draws beyond the end of their calls that so many steps make.
  static int64_t SpareDraws(absl::Span<const std::shared_ptr<Generation>> batch, int64_t steps);
  // How many steps of `batch` are one trip to the device: a power of two.
  int StepsOf(absl::Span<const std::shared_ptr<Generation>> batch) const;
  void Step(absl::Span<const std::shared_ptr<Generation>> batch);
  // What each step of the trip, the first of which began at `start` and each of which took
  // `step_time`, chose for the call that is `row` of `rows`, up to the call's end.
  struct Taken {
    int64_t drawn = 0, forced = 0;
  };
  Taken TakeChosen(Generation& one, size_t row, size_t rows, absl::Duration start,
                   absl::Duration step_time);
  // States that are not in their slots yet; whether there are some.
  bool UploadStates(absl::Span<const std::shared_ptr<Generation>> batch);
  void Record(const Generation& generation, bool drew);
  // Ends the calls of `batch` with `status`; all calls when the device is lost. Their sessions are
  // as they were before the step that failed.
  void FailBatch(absl::Span<const std::shared_ptr<Generation>> batch, const absl::Status& status);
  // No step follows for these calls: they end once their sessions are kept.
  void Leave(absl::Span<const std::shared_ptr<Generation>> gone) ABSL_LOCKS_EXCLUDED(mutex_);
  void NoLongerStreams(absl::Span<const std::shared_ptr<Generation>> gone)
      ABSL_LOCKS_EXCLUDED(mutex_);

  Backend& backend_;
  ServerMetrics& metrics_;
  const GenerationEngineOptions options_;
  const MonotonicClock clock_;
  std::unique_ptr<Queue> queue_;                         // the engine's thread only
  StepBatcher batcher_;                                  // the engine's thread only
  bool ending_ = false;                                  // likewise
  absl::Duration step_end_ = -absl::InfiniteDuration();  // of the last one, likewise
  // Calls that are made again while their last time is being kept; likewise.
  std::vector<std::shared_ptr<Generation>> deferred_;
  std::vector<LanguageModel::Row> rows_;
  std::vector<int32_t> chosen_;
  std::vector<TokenLogProbability> rankings_;

  mutable absl::Mutex mutex_;
  std::vector<std::shared_ptr<Generation>> newcomers_ ABSL_GUARDED_BY(mutex_);
  bool news_ ABSL_GUARDED_BY(mutex_) = false;
  bool end_all_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  int streams_ ABSL_GUARDED_BY(mutex_) = 0;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;

  StreamWriter writer_;
  SessionSaver saver_;
  std::thread thread_;
};

}  // namespace derin::server
