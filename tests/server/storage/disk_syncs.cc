#include "tests/server/storage/disk_syncs.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace derin::server {
namespace {

ABSL_CONST_INIT absl::Mutex mutex(absl::kConstInit);
bool failing ABSL_GUARDED_BY(mutex) = false;
bool flowing ABSL_GUARDED_BY(mutex) = true;
int waiting ABSL_GUARDED_BY(mutex) = 0;

// Whether the disk takes it.
bool Sync() {
  absl::MutexLock lock(&mutex);
  ++waiting;
  mutex.Await(absl::Condition(&flowing));
  --waiting;
  return !failing;
}

}  // namespace

FailingSyncs::FailingSyncs() {
  absl::MutexLock lock(&mutex);
  failing = true;
}

FailingSyncs::~FailingSyncs() {
  absl::MutexLock lock(&mutex);
  failing = false;
}

StalledSyncs::StalledSyncs() {
  absl::MutexLock lock(&mutex);
  flowing = false;
}

StalledSyncs::~StalledSyncs() {
  absl::MutexLock lock(&mutex);
  flowing = true;
}

void StalledSyncs::AwaitOne() const {
  absl::MutexLock lock(&mutex);
  mutex.Await(absl::Condition(
      +[](int* count) { return *count > 0; }, &waiting));
}

}  // namespace derin::server

// In place of the C library's.
extern "C" int fdatasync(int descriptor) {
  if (derin::server::Sync()) return static_cast<int>(syscall(SYS_fdatasync, descriptor));
  errno = EIO;
  return -1;
}
