#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/metrics/monotonic_clock.h"
#include "server/metrics/server_metrics.h"
#include "server/storage/metadata_store.h"
#include "server/usage/caller_account.h"

namespace derin::server {

// The accounts of all callers. They are in the metadata store, where a thread writes those that
// changed every few seconds in one transaction, and the destructor the last time: a process that is
// killed forgets at most that much. Thread-safe; outlives its accounts' users.
class UsageLedger {
 public:
  static constexpr absl::Duration kWritePeriod = absl::Seconds(5);

  // `store` and `metrics` outlive it.
  UsageLedger(MetadataStore& store, ServerMetrics& metrics,
              MonotonicClock clock = SystemMonotonicClock());
  ~UsageLedger();

  // Goes on from what is stored. Once, before anything else.
  absl::Status Start() ABSL_LOCKS_EXCLUDED(writing_, mutex_);

  // Made when there is none.
  std::shared_ptr<CallerAccount> Of(std::string_view caller) ABSL_LOCKS_EXCLUDED(mutex_);

  struct Usage {
    std::string caller;
    UsageFigures figures;
    int64_t stored_bytes = 0;  // of corpora and models that it uploaded
  };
  // One caller's; zeros when it never used anything.
  absl::StatusOr<Usage> Get(std::string_view caller) ABSL_LOCKS_EXCLUDED(mutex_);
  // Everybody's who has an account, by name: at most `limit` from behind `after`.
  absl::StatusOr<Listing<Usage>> List(std::string_view after, int limit)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Writes what changed since the last time.
  absl::Status Write() ABSL_LOCKS_EXCLUDED(writing_, mutex_);

 private:
  using Accounts = std::map<std::string, std::shared_ptr<CallerAccount>, std::less<>>;
  absl::StatusOr<Usage> UsageOf(std::string_view caller, const UsageFigures& figures);
  Accounts accounts() const ABSL_LOCKS_EXCLUDED(mutex_);
  void BindMetrics();
  void WriteNowAndThen() ABSL_LOCKS_EXCLUDED(mutex_);

  MetadataStore& store_;
  ServerMetrics& metrics_;
  const MonotonicClock clock_;
  absl::Mutex writing_ ABSL_ACQUIRED_BEFORE(mutex_);
  std::map<std::string, UsageFigures> written_ ABSL_GUARDED_BY(writing_);
  mutable absl::Mutex mutex_;
  Accounts accounts_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread writer_;
};

}  // namespace derin::server
