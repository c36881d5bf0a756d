#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/logging/call_log.h"
#include "server/metrics/server_metrics.h"
#include "server/rpc/handler_threads.h"
#include "server/security/caller.h"
#include "server/security/callers.h"
#include "server/usage/usage_ledger.h"

namespace derin::server {

class Admission;

// One call that was let in. A stopping server waits for it until it ends.
class AdmittedCall {
 public:
  AdmittedCall(AdmittedCall&& other) noexcept;
  AdmittedCall& operator=(AdmittedCall&& other) noexcept;
  // A call that was not ended was CANCELLED.
  ~AdmittedCall();

  const Caller& caller() const { return caller_; }

  // A stopping server no longer waits for this call: it only watches, and ends with what it
  // watches.
  void OnlyWatches();

  // Counts the call with its outcome; returns what to give to the reactor's Finish. Once only.
  grpc::Status End(const absl::Status& status);

 private:
  friend class Admission;
  AdmittedCall(Admission* admission, Caller caller, std::string method, std::string trace_id,
               bool counted);

  Admission* admission_;  // null once ended or moved from
  Caller caller_;
  std::string method_;
  std::string trace_id_;  // empty when calls are not logged, too
  absl::Duration start_;
  bool awaited_ = true;
  bool counted_ = false;  // among the streams of its caller
};

// The one door that every call passes; counts the calls too. Thread-safe; outlives them.
class Admission {
 public:
  struct Limits {
    // Calls under way that generate or score, of each caller whose token does not say; 0: any.
    int streams_per_caller;
  };

  // All outlive it. Without `callers` everybody is `local` and may do everything; without `usage`
  // nobody counts, and callers have no account; without `log` calls are not logged.
  explicit Admission(ServerMetrics& metrics, const Callers* callers = nullptr,
                     UsageLedger* usage = nullptr, CallLog* log = nullptr,
                     Limits limits = {.streams_per_caller = 0})
      : metrics_(metrics), callers_(callers), usage_(usage), log_(log), limits_(limits) {}

  // `method` is that of the metrics, such as `CorpusService/GetCorpus`. UNAVAILABLE, reason
  // SERVER_STOPPING, once draining began; else errors as Callers::Authorize, and
  // RESOURCE_EXHAUSTED, reason CALLER_STREAMS_FULL or, of calls that generate or score,
  // CALLER_TOKENS_USED_UP, with a retry hint.
  absl::StatusOr<AdmittedCall> Admit(const grpc::CallbackServerContext& context,
                                     std::string_view method) ABSL_LOCKS_EXCLUDED(mutex_);
  // The same of a caller that is known already.
  absl::StatusOr<AdmittedCall> Admit(Caller caller, std::string_view method, bool is_stream,
                                     std::string trace_id = "") ABSL_LOCKS_EXCLUDED(mutex_);

  // Where what a call asks for is to run.
  HandlerThreads& threads() { return threads_; }

  void StartDraining() ABSL_LOCKS_EXCLUDED(mutex_);
  bool draining() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return draining_;
  }
  // After StartDraining: blocks until no call is awaited (true), `deadline` has passed or
  // StopWaiting was called.
  bool AwaitIdle(absl::Time deadline) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the AwaitIdle under way, or else the next one.
  void StopWaiting() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  friend class AdmittedCall;
  void Leave() ABSL_LOCKS_EXCLUDED(mutex_);
  void EndStream(const std::string& caller) ABSL_LOCKS_EXCLUDED(mutex_);
  // Calls are logged, and now.
  bool Logs() const { return log_ != nullptr && CallLog::Wanted(); }
  // Counts and logs a call that is over, or was not let in.
  void Ended(const std::string& method, const std::string& caller, const absl::Status& status,
             absl::Duration duration, const std::string& trace_id);

  ServerMetrics& metrics_;
  const Callers* const callers_;
  UsageLedger* const usage_;
  CallLog* const log_;
  const Limits limits_;
  mutable absl::Mutex mutex_;
  // Those that are counted, of callers that have at least one.
  absl::flat_hash_map<std::string, int64_t> streams_ ABSL_GUARDED_BY(mutex_);
  int awaited_ ABSL_GUARDED_BY(mutex_) = 0;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool hurried_ ABSL_GUARDED_BY(mutex_) = false;
  HandlerThreads threads_;  // last: what runs on them ends calls
};

}  // namespace derin::server
