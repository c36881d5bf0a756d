#include "server/options_check.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "model/backend/backend_list.h"
#include "server/security/callers.h"
#include "server/status/error.h"
#include "server/storage/folder.h"

namespace derin::server {
namespace {

constexpr char kListen[] = "--listen";
constexpr char kMetricsListen[] = "--metrics-listen";
constexpr char kChannelzListen[] = "--channelz-listen";

// What LocalServerCredentials take, which tokens without TLS want.
bool IsLoopback(const ListenAddress& address) {
  return address.is_unix() || address.host == "localhost" || address.host == "127.0.0.1" ||
         address.host == "::1";
}

absl::Status TooOpen(const ListenAddress& address, std::string_view why, std::string_view instead) {
  return absl::FailedPreconditionError(
      absl::StrCat("refusing to listen on ", address.ToString(), ": other machines may reach it, ",
                   std::string(why), "; listen on 127.0.0.1, ", std::string(instead),
                   "or give --allow-insecure-remote"));
}

// Refuses an address that others reach, unless they are told apart and nobody listens in, or that
// was asked for.
absl::Status CheckReach(const ListenAddress& address, const ServerOptions& options) {
  if (!options.tokens.empty() && options.tls_certificate.empty() && !IsLoopback(address)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "refusing to listen on ", address.ToString(),
        ": tokens would cross the network for "
        "everybody to read; give --tls-certificate and --tls-key, or listen on 127.0.0.1, [::1], "
        "localhost or a unix: path"));
  }
  if (IsLocal(address) || options.allow_insecure_remote) return absl::OkStatus();
  if (options.tls_certificate.empty()) {
    return TooOpen(address, "and without TLS anybody there could read and delete everything",
                   "or give --tls-certificate and --tls-key with --tokens or --tls-client-ca, ");
  }
  if (options.tls_client_ca.empty() && options.tokens.empty()) {
    return TooOpen(address,
                   "and without knowing its callers anybody there could read and delete everything",
                   "or give --tokens or --tls-client-ca, ");
  }
  return absl::OkStatus();
}

// The same of the pages for operators, which have neither encryption nor tokens.
absl::Status CheckMetricsReach(const ListenAddress& address, const ServerOptions& options) {
  if (IsLocal(address) || options.allow_insecure_remote) return absl::OkStatus();
  return TooOpen(address, "so anybody there could read the metrics", "");
}

// The address that a flag has, where `check` finds nothing wrong with it.
template <typename Check>
absl::StatusOr<ListenAddress> ParseFlag(const char* flag, const std::string& text, Check check) {
  absl::StatusOr<ListenAddress> address = ParseListenAddress(text);
  const absl::Status status = address.ok() ? check(*address) : address.status();
  if (!status.ok()) return OfFlag(flag, status);
  return address;
}

absl::Status Unwanted(const std::string& text, const char* wanted) {
  return absl::InvalidArgumentError(
      absl::StrCat("got address ", Quoted(text), ", wanted ", wanted));
}

absl::StatusOr<ListenAddress> ParseGrpcAddress(const ServerOptions& options) {
  return ParseFlag(kListen, options.listen, [&options](const ListenAddress& address) {
    return CheckReach(address, options);
  });
}

absl::StatusOr<ListenAddress> ParseMetricsAddress(const ServerOptions& options) {
  return ParseFlag(kMetricsListen, options.metrics_listen,
                   [&options](const ListenAddress& address) {
                     return address.is_unix() ? Unwanted(options.metrics_listen, "HOST:PORT")
                                              : CheckMetricsReach(address, options);
                   });
}

absl::StatusOr<ListenAddress> ParseChannelzAddress(const ServerOptions& options) {
  return ParseFlag(kChannelzListen, options.channelz_listen,
                   [&options](const ListenAddress& address) {
                     return address.is_unix() ? absl::OkStatus()
                                              : Unwanted(options.channelz_listen, "unix:PATH");
                   });
}

// Whether a file could be made in `folder`, or, where that is not there, the folder itself.
absl::Status CheckCanWrite(std::filesystem::path folder, std::string_view doing) {
  std::error_code error;
  folder = std::filesystem::absolute(folder, error).lexically_normal();
  while (!error && !std::filesystem::exists(folder, error) && folder.has_relative_path()) {
    folder = folder.parent_path();
  }
  if (error) return SystemError(error.value(), doing);
  if (!std::filesystem::is_directory(folder, error)) return SystemError(ENOTDIR, doing);
  return euidaccess(folder.c_str(), W_OK | X_OK) == 0 ? absl::OkStatus()
                                                      : SystemError(errno, doing);
}

// Whether this machine has the address, be its port taken or not.
absl::Status CheckIsHere(ListenAddress address) {
  if (address.is_unix()) {
    const std::filesystem::path folder = std::filesystem::path(address.path).parent_path();
    return CheckCanWrite(folder.empty() ? "." : folder, absl::StrCat("make ", address.ToString()));
  }
  address.port = 0;
  return CheckCanListen(address);
}

// Whether the device is one that computes here. A GPU that is asked for by its name is opened and
// given back, as nothing less tells whether it works; all else works on every machine.
absl::Status CheckDeviceIsHere(const ServerOptions& options) {
  absl::Status status = CheckDevice(options.device, options.threads);
  if (status.ok() && absl::StartsWith(options.device, "cuda")) {
    status = NewBackend(options.device, options.threads).status();
  }
  return OfFlag(absl::StrCat("--device ", options.device), status);
}

bool IsSet(const std::filesystem::path& path) { return !path.empty(); }

}  // namespace

absl::Status OfFlag(std::string_view flag, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(std::string(flag), ": ", status.message()));
}

TlsFiles TlsFilesOf(const ServerOptions& options) {
  return {options.tls_certificate, options.tls_key, options.tls_client_ca};
}

absl::StatusOr<Addresses> CheckAddresses(const ServerOptions& options) {
  if (absl::Status status = ParseListenAddress(options.listen).status(); !status.ok()) {
    return OfFlag(kListen, status);
  }
  // A file that is missing is said before what is missing without it.
  if (absl::Status status = CheckTlsFiles(TlsFilesOf(options), absl::Now()); !status.ok()) {
    return status;
  }
  absl::StatusOr<ListenAddress> grpc = ParseGrpcAddress(options);
  if (!grpc.ok()) return grpc.status();
  Addresses addresses{.grpc = *std::move(grpc), .metrics = std::nullopt, .channelz = std::nullopt};
  if (!options.metrics_listen.empty()) {
    absl::StatusOr<ListenAddress> metrics = ParseMetricsAddress(options);
    if (!metrics.ok()) return metrics.status();
    addresses.metrics = *std::move(metrics);
  }
  if (!options.channelz_listen.empty()) {
    absl::StatusOr<ListenAddress> channelz = ParseChannelzAddress(options);
    if (!channelz.ok()) return channelz.status();
    addresses.channelz = *std::move(channelz);
  }
  return addresses;
}

std::vector<std::string> FaultsOf(const CommandLine& line) {
  const ServerOptions& options = line.server;
  std::vector<std::string> faults;
  const auto check = [&faults](const absl::Status& status) {
    if (!status.ok()) faults.emplace_back(status.message());
  };
  const auto check_address = [&check](const char* flag,
                                      const absl::StatusOr<ListenAddress>& address) {
    check(address.ok() ? OfFlag(flag, CheckIsHere(*address)) : address.status());
  };
  check_address(kListen, ParseGrpcAddress(options));
  if (!options.metrics_listen.empty()) check_address(kMetricsListen, ParseMetricsAddress(options));
  if (!options.channelz_listen.empty()) {
    check_address(kChannelzListen, ParseChannelzAddress(options));
  }
  check(CheckTlsFiles(TlsFilesOf(options), absl::Now()));
  if (IsSet(options.tokens)) check(Callers::Load(options.tokens).status());
  check(CheckCanWrite(
      options.data_directory,
      absl::StrCat("write in the data directory ", Quoted(options.data_directory.native()))));
  if (IsSet(line.port_file)) {
    check(CheckCanWrite(std::filesystem::absolute(line.port_file).parent_path(),
                        absl::StrCat("write the port file ", Quoted(line.port_file.native()))));
  }
  check(CheckDeviceIsHere(options));
  return faults;
}

std::string SummaryOf(const CommandLine& line) {
  const ServerOptions& options = line.server;
  std::vector<std::string> who;
  if (IsSet(options.tls_client_ca)) who.emplace_back("whoever has a certificate");
  if (IsSet(options.tokens)) {
    const auto callers = Callers::Load(options.tokens);
    const size_t tokens = callers.ok() ? (*callers)->size() : 0;
    who.push_back(tokens == 0 ? "nobody, as the file of tokens has none"
                              : absl::StrCat("whoever has one of ", tokens,
                                             tokens == 1 ? " token" : " tokens"));
  }
  if (who.empty()) who.emplace_back("everybody who reaches it");
  std::error_code ignored;
  const bool made = std::filesystem::exists(options.data_directory, ignored);
  return absl::StrCat("calls    ", options.listen, ", ",
                      IsSet(options.tls_certificate) ? "TLS" : "without TLS", ", for ",
                      absl::StrJoin(who, " and "), "\n", "metrics  ",
                      options.metrics_listen.empty() ? "none" : options.metrics_listen, "\n",
                      "data     ", options.data_directory.native(), made ? "" : " (new)", "\n",
                      "device   ", options.device, "\n");
}

}  // namespace derin::server
