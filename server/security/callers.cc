#include "server/security/callers.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "model/checkpoint/durable_file.h"
#include "server/security/method_rule.h"
#include "server/status/error.h"
#include "server/storage/sha256.h"

namespace derin::server {
namespace {

absl::Status Unauthenticated(std::string_view reason, std::string_view what) {
  return Refusal(absl::StatusCode::kUnauthenticated, reason, what);
}

// Takes as long whichever entry it is and however much of a digest is right.
const TokenEntry* Find(const std::vector<TokenEntry>& entries, const std::string& sha256) {
  const TokenEntry* found = nullptr;
  for (const TokenEntry& entry : entries) {
    if (CRYPTO_memcmp(entry.sha256.data(), sha256.data(), sha256.size()) == 0) found = &entry;
  }
  return found;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Callers>> Callers::Load(std::filesystem::path file,
                                                       std::function<absl::Time()> now) {
  auto callers = std::unique_ptr<Callers>(new Callers(std::move(file), std::move(now)));
  if (absl::Status status = callers->Reload(); !status.ok()) return status;
  return callers;
}

absl::Status Callers::Reload() {
  const absl::StatusOr<std::string> text = ReadWholeFile(file_);
  if (!text.ok()) {
    return Refusal(absl::StatusCode::kInvalidArgument, "TOKEN_FILE",
                   absl::StrCat("the file of tokens cannot be read: ", text.status().message()));
  }
  absl::StatusOr<Entries> entries = ParseTokenFile(*text);
  if (!entries.ok()) {
    return Refusal(absl::StatusCode::kInvalidArgument, "TOKEN_FILE",
                   absl::StrCat("the file of tokens ", Quoted(file_.string()), ", ",
                                entries.status().message()));
  }
  absl::MutexLock lock(&mutex_);
  entries_ = std::make_shared<const Entries>(*std::move(entries));
  return absl::OkStatus();
}

std::shared_ptr<const Callers::Entries> Callers::entries() const {
  absl::MutexLock lock(&mutex_);
  return entries_;
}

size_t Callers::size() const { return entries()->size(); }

absl::StatusOr<Caller> Callers::Authorize(std::string_view path,
                                          std::optional<std::string_view> authorization) const {
  const MethodRule* rule = RuleOf(path);
  if (rule != nullptr && !rule->role.has_value()) return Caller();
  if (rule != nullptr) return AuthorizeRole(*rule->role, Quoted(path), authorization);
  if (const auto caller = Identify(authorization); !caller.ok()) return caller.status();
  return Refusal(absl::StatusCode::kUnimplemented, "METHOD_UNKNOWN",
                 absl::StrCat("there is no method ", Quoted(path)));
}

absl::StatusOr<Caller> Callers::AuthorizeRole(Role role, std::string_view what,
                                              std::optional<std::string_view> authorization) const {
  absl::StatusOr<Caller> caller = Identify(authorization);
  if (!caller.ok() || caller->roles.Has(role)) return caller;
  const std::string_view name = RoleName(role);
  return Refusal(
      absl::StatusCode::kPermissionDenied, "ROLE_MISSING",
      absl::StrCat(caller->name, " lacks the role ", absl::string_view(name.data(), name.size()),
                   ", which ", absl::string_view(what.data(), what.size()), " wants"));
}

absl::StatusOr<Caller> Callers::Identify(std::optional<std::string_view> authorization) const {
  if (!authorization.has_value()) {
    return Unauthenticated("TOKEN_MISSING",
                           "this server wants a token, as `authorization: Bearer TOKEN`, once");
  }
  const std::optional<std::string_view> token = CredentialsOf(*authorization, "bearer");
  if (!token.has_value()) {
    return Unauthenticated("TOKEN_MISSING", "authorization: wanted the form `Bearer TOKEN`");
  }
  const std::shared_ptr<const Entries> known = entries();
  const TokenEntry* entry = Find(*known, Sha256Hex(*token));
  if (entry == nullptr) {
    return Unauthenticated("TOKEN_UNKNOWN", "this server does not know the token");
  }
  if (entry->expires <= now_()) {
    return Unauthenticated("TOKEN_EXPIRED",
                           absl::StrCat("the token of ", entry->caller.name, " expired at ",
                                        absl::FormatTime(entry->expires, absl::UTCTimeZone())));
  }
  return entry->caller;
}

}  // namespace derin::server
