#include "client/cli/interrupt_listener.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>

namespace derin::cli {
namespace {

constexpr int kInterrupted = 130;
// What is added to the event's counter: an interrupt, or the listener's own end.
constexpr uint64_t kSignal = 1;
constexpr uint64_t kStop = uint64_t{1} << 32;

int event_fd = -1;
volatile std::sig_atomic_t signals = 0;
struct sigaction previous;

void OnInterrupt(int) {
  const int saved_errno = errno;
  if (signals != 0) _exit(kInterrupted);
  signals = 1;
  const uint64_t one = kSignal;
  [[maybe_unused]] const ssize_t written = write(event_fd, &one, sizeof(one));
  errno = saved_errno;
}

}  // namespace

InterruptListener::InterruptListener(client::Cancellation& cancellation)
    : cancellation_(cancellation) {}

void InterruptListener::Start() {
  if (thread_.joinable()) return;
  event_fd = eventfd(0, EFD_CLOEXEC);
  // Without it the signal goes on doing what it always does.
  if (event_fd < 0) return;
  signals = 0;
  thread_ = std::thread([this] {
    uint64_t count = 0;
    while (count < kStop) {
      if (read(event_fd, &count, sizeof(count)) != sizeof(count)) continue;
      if (count % kStop != 0) cancellation_.Cancel();
    }
  });
  struct sigaction action = {};
  action.sa_handler = OnInterrupt;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, &previous);
}

InterruptListener::~InterruptListener() {
  if (!thread_.joinable()) return;
  sigaction(SIGINT, &previous, nullptr);
  [[maybe_unused]] const ssize_t written = write(event_fd, &kStop, sizeof(kStop));
  thread_.join();
  close(event_fd);
}

}  // namespace derin::cli
