#include "derin/internal/channel_credentials.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

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

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> NewChannelCredentials(
    const ConnectOptions& options) {
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    return absl::InvalidArgumentError(options.tls_key.empty()
                                          ? "the TLS certificate wants its key"
                                          : "the TLS key wants its certificate");
  }
  if (options.tls_ca.empty() && options.tls_certificate.empty()) {
    return grpc::InsecureChannelCredentials();
  }
  const auto ca = ReadPem("the TLS authority", options.tls_ca);
  if (!ca.ok()) return ca.status();
  const auto certificate = ReadPem("the TLS certificate", options.tls_certificate);
  if (!certificate.ok()) return certificate.status();
  const auto key = ReadPem("the TLS key", options.tls_key);
  if (!key.ok()) return key.status();
  return grpc::SslCredentials(
      {.pem_root_certs = *ca, .pem_private_key = *key, .pem_cert_chain = *certificate});
}

}  // namespace derin::client::internal
