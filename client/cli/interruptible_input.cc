#include "client/cli/interruptible_input.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <ios>

namespace derin::cli {
namespace {

constexpr size_t kBufferBytes = size_t{64} << 10;

}  // namespace

// Without an eventfd, -1, which poll() passes over, a reader waits as any other does.
InterruptibleInput::InterruptibleInput(int file, client::Cancellation& cancellation)
    : file_(file),
      cancellation_(cancellation),
      cancelled_(eventfd(0, EFD_CLOEXEC)),
      stop_(cancellation.Add([this] { eventfd_write(cancelled_, 1); })),
      buffer_(kBufferBytes) {}

InterruptibleInput::~InterruptibleInput() {
  cancellation_.Remove(stop_);
  if (cancelled_ >= 0) close(cancelled_);
}

InterruptibleInput::int_type InterruptibleInput::underflow() {
  pollfd files[] = {{.fd = file_, .events = POLLIN, .revents = 0},
                    {.fd = cancelled_, .events = POLLIN, .revents = 0}};
  while (poll(files, 2, /*timeout=*/-1) >= 0 || errno == EINTR) {
    if (cancellation_.cancelled()) throw std::ios_base::failure("cancelled");
    if (files[0].revents == 0) continue;
    const ssize_t count = read(file_, buffer_.data(), buffer_.size());
    if (count == 0) return traits_type::eof();
    if (count > 0) {
      setg(buffer_.data(), buffer_.data(), buffer_.data() + count);
      return traits_type::to_int_type(*gptr());
    }
    if (errno != EINTR && errno != EAGAIN) break;
  }
  throw std::ios_base::failure("cannot be read");
}

}  // namespace derin::cli
