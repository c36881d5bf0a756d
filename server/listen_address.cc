#include "server/listen_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

constexpr std::string_view kUnix = "unix:";

absl::Status CannotListen(const ListenAddress& address, std::string_view why) {
  return Refusal(absl::StatusCode::kUnavailable, "CANNOT_LISTEN",
                 absl::StrCat("cannot listen on ", address.ToString(), ": ",
                              absl::string_view(why.data(), why.size())));
}

// 0, or the error of binding a socket there.
int TryBind(int family, const sockaddr* name, socklen_t length) {
  const int socket = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return errno;
  const absl::Cleanup close = [socket] { ::close(socket); };
  // As gRPC does: connections of a server that has just ended do not count.
  const int on = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  return bind(socket, name, length) == 0 ? 0 : errno;
}

absl::Status CheckPort(const ListenAddress& address) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failed =
      getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (failed != 0) return CannotListen(address, gai_strerror(failed));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, &freeaddrinfo);

  // A name may have addresses of a family that this machine lacks; one that is free is enough, one
  // that is taken too much.
  int error = 0;
  bool usable = false;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    const int result = TryBind(each->ai_family, each->ai_addr, each->ai_addrlen);
    if (result == 0) usable = true;
    if (result == EADDRINUSE || error == 0) error = result;
  }
  if (usable && error != EADDRINUSE) return absl::OkStatus();
  return CannotListen(address, strerror(error));
}

absl::Status CheckPath(const ListenAddress& address) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (address.path.size() >= sizeof(name.sun_path)) {
    return CannotListen(
        address, absl::StrCat("the path has ", address.path.size(), " bytes, wanted at most ",
                              sizeof(name.sun_path) - 1));
  }
  address.path.copy(name.sun_path, address.path.size());
  struct stat info {};
  if (lstat(address.path.c_str(), &info) != 0) {
    if (errno != ENOENT) return CannotListen(address, strerror(errno));
    const int error = TryBind(AF_UNIX, reinterpret_cast<sockaddr*>(&name), sizeof(name));
    if (error != 0) return CannotListen(address, strerror(error));
    unlink(address.path.c_str());
    return absl::OkStatus();
  }
  if (!S_ISSOCK(info.st_mode)) return CannotListen(address, "a file that is no socket is there");
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return CannotListen(address, strerror(errno));
  const absl::Cleanup close = [socket] { ::close(socket); };
  // A socket that nobody answers on was left by a server that was killed; gRPC replaces it.
  if (connect(socket, reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0) {
    return CannotListen(address, strerror(EADDRINUSE));
  }
  return absl::OkStatus();
}

}  // namespace

std::string ListenAddress::ToString() const {
  if (is_unix()) return absl::StrCat("unix:", path);
  const bool v6 = host.find(':') != std::string::npos;
  return v6 ? absl::StrCat("[", host, "]:", port) : absl::StrCat(host, ":", port);
}

absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view text) {
  ListenAddress address;
  if (text.substr(0, kUnix.size()) == kUnix) {
    address.path = text.substr(kUnix.size());
    if (!address.path.empty()) return address;
  } else if (const size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    std::string_view host = text.substr(0, colon);
    const std::string_view port = text.substr(colon + 1);
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    const bool digits = !port.empty() && port.size() <= 5 &&
                        std::all_of(port.begin(), port.end(),
                                    [](unsigned char c) { return absl::ascii_isdigit(c); });
    if (!host.empty() && bracketed == (host.find(':') != std::string_view::npos) && digits &&
        absl::SimpleAtoi(absl::string_view(port.data(), port.size()), &address.port) &&
        address.port <= 65535) {
      address.host = host;
      return address;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "got address ", Quoted(text), ", wanted HOST:PORT, such as 127.0.0.1:50051, or unix:PATH"));
}

bool IsLocal(const ListenAddress& address) {
  if (address.is_unix() || address.host == "localhost") return true;
  in_addr v4{};
  if (inet_pton(AF_INET, address.host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, address.host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

absl::Status CheckCanListen(const ListenAddress& address) {
  return address.is_unix() ? CheckPath(address) : CheckPort(address);
}

}  // namespace derin::server
