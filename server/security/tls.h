#pragma once

#include <grpcpp/security/server_credentials.h>

#include <filesystem>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace derin::server {

// PEM files of a server that encrypts its connections.
struct TlsFiles {
  std::filesystem::path certificate;  // its own first, then those between it and its authority
  std::filesystem::path key;
  // Of the authorities that callers' certificates come from; empty: callers need none.
  std::filesystem::path client_ca;

  bool empty() const { return certificate.empty() && key.empty() && client_ca.empty(); }
};

// OK when a server can begin with these files at `now`; else says which file is wrong, by its flag:
// not given, not readable, no PEM, not fitting the others, expired.
absl::Status CheckTlsFiles(const TlsFiles& files, absl::Time now);

// Of files that passed the check. What is in them is looked at each second: new connections get
// what they had when they fitted together; while they do not, no new connection is made.
std::shared_ptr<grpc::ServerCredentials> NewTlsCredentials(const TlsFiles& files);

}  // namespace derin::server
