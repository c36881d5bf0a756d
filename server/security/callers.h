#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/security/authorization.h"
#include "server/security/caller.h"
#include "server/security/token_file.h"

namespace derin::server {

// The callers that a file of tokens names, and what each may call. Thread-safe.
class Callers {
 public:
  // See ParseTokenFile. An error names the file.
  static absl::StatusOr<std::unique_ptr<Callers>> Load(std::filesystem::path file,
                                                       std::function<absl::Time()> now = absl::Now);

  // Reads the file again; after an error everything stays as it was.
  absl::Status Reload() ABSL_LOCKS_EXCLUDED(mutex_);

  // Who sent `authorization`, the value of that header (unset: there was none or several), when it
  // may call the method; a caller without a name where everybody may. UNAUTHENTICATED, reason
  // TOKEN_MISSING, TOKEN_UNKNOWN or TOKEN_EXPIRED; PERMISSION_DENIED, reason ROLE_MISSING, names
  // the role wanted; UNIMPLEMENTED when no rule has the method. Messages repeat nothing of a token.
  absl::StatusOr<Caller> Authorize(std::string_view path,
                                   std::optional<std::string_view> authorization) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The same of something that is no method of gRPC, and wants `role`; messages call it `what`.
  absl::StatusOr<Caller> AuthorizeRole(Role role, std::string_view what,
                                       std::optional<std::string_view> authorization) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  size_t size() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Entries = std::vector<TokenEntry>;
  Callers(std::filesystem::path file, std::function<absl::Time()> now)
      : file_(std::move(file)), now_(std::move(now)) {}

  // Errors as Authorize, of the token alone.
  absl::StatusOr<Caller> Identify(std::optional<std::string_view> authorization) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::shared_ptr<const Entries> entries() const ABSL_LOCKS_EXCLUDED(mutex_);

  const std::filesystem::path file_;
  const std::function<absl::Time()> now_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const Entries> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace derin::server
