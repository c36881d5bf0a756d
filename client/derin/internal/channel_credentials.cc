#include "derin/internal/channel_credentials.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace derin::client::internal {
namespace {

absl::Status NotRead(const char* option, const std::string& path, int error) {
  return absl::InvalidArgumentError(
      absl::StrCat(option, " '", path, "' cannot be read: ", strerror(error)));
}

// Of the file that `option` names; empty when there is none.
absl::StatusOr<std::string> Read(const char* option, const std::string& path) {
  if (path.empty()) return "";
  // A folder opens, and only its reading fails.
  if (std::filesystem::is_directory(path)) return NotRead(option, path, EISDIR);
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in.is_open()) return NotRead(option, path, errno);
  std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return bytes;
}

// The same, of PEM; gRPC would say no more than that the connection failed.
absl::StatusOr<std::string> ReadPem(const char* option, const std::string& path) {
  absl::StatusOr<std::string> bytes = Read(option, path);
  if (!bytes.ok() || path.empty()) return bytes;
  if (bytes->find("-----BEGIN ") == std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat(option, " '", path, "' is no PEM file"));
  }
  return bytes;
}

// Sends the token with each call.
class BearerToken final : public grpc::MetadataCredentialsPlugin {
 public:
  explicit BearerToken(std::string token) : authorization_("Bearer " + std::move(token)) {}

  bool IsBlocking() const override { return false; }
  grpc::Status GetMetadata(grpc::string_ref /*url*/, grpc::string_ref /*method*/,
                           const grpc::AuthContext& /*context*/,
                           std::multimap<std::string, std::string>* metadata) override {
    metadata->emplace("authorization", authorization_);
    return grpc::Status::OK;
  }
  // gRPC logs this.
  grpc::string DebugString() override { return "a token"; }

 private:
  const std::string authorization_;
};

// What is said of the file never repeats what is in it.
absl::StatusOr<std::string> ReadToken(const std::string& path) {
  const auto bytes = Read("the token file", path);
  if (!bytes.ok()) return bytes.status();
  const std::string token(absl::StripAsciiWhitespace(*bytes));
  const bool is_word = std::all_of(token.begin(), token.end(),
                                   [](unsigned char c) { return absl::ascii_isgraph(c); });
  if (!token.empty() && is_word) return token;
  return absl::InvalidArgumentError(
      absl::StrCat("the token file '", path, "' is not one token on a line of its own"));
}

enum class Way { kUnix, kLoopback, kNetwork };

// Where gRPC's local credentials may be used; they look at the connection once it is there, too.
Way WayTo(std::string_view address) {
  if (address.starts_with("unix:")) return Way::kUnix;
  const std::string_view host = address.substr(0, address.rfind(':'));
  const bool loopback = host == "127.0.0.1" || host == "[::1]" || host == "localhost";
  return loopback ? Way::kLoopback : Way::kNetwork;
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> NewTlsCredentials(
    const ConnectOptions& options) {
  const auto ca = ReadPem("the TLS authority", options.tls_ca);
  if (!ca.ok()) return ca.status();
  const auto certificate = ReadPem("the TLS certificate", options.tls_certificate);
  if (!certificate.ok()) return certificate.status();
  const auto key = ReadPem("the TLS key", options.tls_key);
  if (!key.ok()) return key.status();
  return grpc::SslCredentials(
      {.pem_root_certs = *ca, .pem_private_key = *key, .pem_cert_chain = *certificate});
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> NewChannelCredentials(
    const ConnectOptions& options) {
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    return absl::InvalidArgumentError(options.tls_key.empty()
                                          ? "the TLS certificate wants its key"
                                          : "the TLS key wants its certificate");
  }
  const bool encrypted = !options.tls_ca.empty() || !options.tls_certificate.empty();
  if (options.token_file.empty()) {
    if (encrypted) return NewTlsCredentials(options);
    return grpc::InsecureChannelCredentials();
  }
  const Way way = WayTo(options.address);
  if (!encrypted && way == Way::kNetwork) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the token is not sent to ", options.address,
        ", since others could read it on its way: encrypt with --tls-ca (ConnectOptions::tls_ca)"));
  }
  absl::StatusOr<std::string> token = ReadToken(options.token_file);
  if (!token.ok()) return token.status();
  absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> channel =
      encrypted ? NewTlsCredentials(options)
                : grpc::experimental::LocalCredentials(way == Way::kUnix ? UDS : LOCAL_TCP);
  if (!channel.ok()) return channel;
  // Local connections count as insecure for gRPC, which would not send it by itself.
  return grpc::CompositeChannelCredentials(
      *channel, grpc::experimental::MetadataCredentialsFromPlugin(
                    std::make_unique<BearerToken>(*std::move(token)), GRPC_SECURITY_NONE));
}

}  // namespace derin::client::internal
