#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gtest/gtest.h"

namespace derin::server {

// Passes bytes on between clients and a server of this machine, until it breaks their connections:
// what a network does.
class BreakableRelay {
 public:
  explicit BreakableRelay(int server_port) : server_port_(server_port), listener_(Socket()) {
    sockaddr_in address = Loopback(0);
    EXPECT_EQ(bind(listener_, Any(address), sizeof(address)), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(getsockname(listener_, Any(address), &size), 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { Accept(); });
  }

  ~BreakableRelay() {
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    Break();
    absl::MutexLock lock(&mutex_);
    for (std::thread& pump : pumps_) pump.join();
    for (const int socket : sockets_) close(socket);
    close(listener_);
  }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

  // Ends all connections that there are; later ones work.
  void Break() {
    absl::MutexLock lock(&mutex_);
    for (const int socket : sockets_) shutdown(socket, SHUT_RDWR);
  }

 private:
  static int Socket() { return socket(AF_INET, SOCK_STREAM, 0); }
  static sockaddr* Any(sockaddr_in& address) { return reinterpret_cast<sockaddr*>(&address); }
  static sockaddr_in Loopback(int port) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    return address;
  }

  void Accept() {
    for (int client; (client = accept(listener_, nullptr, nullptr)) >= 0;) {
      const int server = Socket();
      sockaddr_in address = Loopback(server_port_);
      EXPECT_EQ(connect(server, Any(address), sizeof(address)), 0);
      absl::MutexLock lock(&mutex_);
      sockets_.push_back(client);
      sockets_.push_back(server);
      pumps_.emplace_back(&BreakableRelay::Pump, client, server);
      pumps_.emplace_back(&BreakableRelay::Pump, server, client);
    }
  }

  static void Pump(int from, int to) {
    char bytes[4096];
    for (ssize_t count; (count = read(from, bytes, sizeof(bytes))) > 0;) {
      for (ssize_t sent = 0; sent < count;) {
        const ssize_t more = send(to, bytes + sent, count - sent, MSG_NOSIGNAL);
        if (more <= 0) break;
        sent += more;
      }
    }
    shutdown(to, SHUT_RDWR);
  }

  const int server_port_;
  const int listener_;
  int port_ = 0;
  absl::Mutex mutex_;
  std::vector<int> sockets_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> pumps_ ABSL_GUARDED_BY(mutex_);
  std::thread acceptor_;
};

}  // namespace derin::server
