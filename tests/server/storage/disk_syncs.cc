#include "tests/server/storage/disk_syncs.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace derin::server {
namespace {

std::atomic<bool> failing = false;

}  // namespace

FailingSyncs::FailingSyncs() { failing = true; }

FailingSyncs::~FailingSyncs() { failing = false; }

}  // namespace derin::server

// In place of the C library's.
extern "C" int fdatasync(int descriptor) {
  if (!derin::server::failing) return static_cast<int>(syscall(SYS_fdatasync, descriptor));
  errno = EIO;
  return -1;
}
