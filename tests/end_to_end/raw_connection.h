#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>

namespace derin::server {

// A connection to a server of this machine that says what a test wants it to, byte for byte.
class RawConnection {
 public:
  // `address` is HOST:PORT.
  explicit RawConnection(const std::string& address)
      : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    EXPECT_GE(socket_, 0);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    where.sin_port =
        htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&where), sizeof(where)), 0);
  }
  RawConnection(RawConnection&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), said_(std::move(other.said_)) {}
  RawConnection& operator=(RawConnection&&) = delete;
  ~RawConnection() {
    if (socket_ >= 0) close(socket_);
  }

  // Nothing where the other side is gone.
  void Send(std::string_view bytes) { send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }

  // Whether the server has closed it within so many milliseconds after it last said something.
  bool ClosedWithin(int milliseconds) {
    pollfd waiting{.fd = socket_, .events = POLLIN, .revents = 0};
    while (poll(&waiting, 1, milliseconds) == 1) {
      char bytes[4096];
      const ssize_t size = recv(socket_, bytes, sizeof(bytes), 0);
      if (size <= 0) return true;
      said_.append(bytes, static_cast<size_t>(size));
    }
    return false;
  }

  // What the server has said until ClosedWithin returned.
  const std::string& said() const { return said_; }

 private:
  int socket_;
  std::string said_;
};

}  // namespace derin::server
