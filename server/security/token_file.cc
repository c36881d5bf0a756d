#include "server/security/token_file.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/status/error.h"
#include "server/storage/resource_name.h"
#include "server/storage/sha256.h"

namespace derin::server {
namespace {

using Json = nlohmann::json;

absl::Status Wrong(std::string_view what) { return absl::InvalidArgumentError(std::string(what)); }

absl::Status TakeName(const Json& value, TokenEntry& entry) {
  if (!value.is_string()) return Wrong("name: wanted a string");
  entry.caller.name = value.get<std::string>();
  if (!CheckId(entry.caller.name, "name").ok()) {
    return Wrong(
        absl::StrCat("name: got ", Quoted(entry.caller.name), ", wanted [a-z][a-z0-9-]{0,62}"));
  }
  if (entry.caller.name == kLocalCaller) {
    return Wrong("name: 'local' is what callers are without tokens");
  }
  return absl::OkStatus();
}

absl::Status TakeDigest(const Json& value, TokenEntry& entry) {
  if (value.is_string()) entry.sha256 = value.get<std::string>();
  // Not repeated: somebody may have put the token itself here.
  if (IsSha256Hex(entry.sha256)) return absl::OkStatus();
  return Wrong("token_sha256: wanted 64 lower-case hexadecimal digits");
}

absl::Status TakeRoles(const Json& value, TokenEntry& entry) {
  if (!value.is_array() || value.empty()) return Wrong("roles: wanted a list of at least one");
  for (const Json& one : value) {
    const std::optional<Role> role =
        one.is_string() ? ParseRole(one.get<std::string>()) : std::nullopt;
    if (!role.has_value()) {
      return Wrong(
          absl::StrCat("roles: got ", Quoted(one.dump()), ", wanted some of ", RoleNames()));
    }
    entry.caller.roles.Add(*role);
  }
  return absl::OkStatus();
}

absl::Status TakeExpiry(const Json& value, TokenEntry& entry) {
  std::string error;
  if (value.is_string() &&
      absl::ParseTime(absl::RFC3339_full, value.get<std::string>(), &entry.expires, &error)) {
    return absl::OkStatus();
  }
  return Wrong(absl::StrCat("expires: got ", Quoted(value.dump()),
                            ", wanted a time such as \"2027-01-31T00:00:00Z\""));
}

absl::Status TakeLimit(const std::string& key, const Json& value, std::optional<int64_t>& limit) {
  if (!value.is_number_unsigned()) {
    return Wrong(absl::StrCat(key, ": got ", Quoted(value.dump()), ", wanted 0 or more"));
  }
  const uint64_t number = value.get<uint64_t>();
  limit = static_cast<int64_t>(std::min(number, uint64_t{1} << 40));
  return absl::OkStatus();
}

absl::Status Take(const std::string& key, const Json& value, TokenEntry& entry) {
  if (key == "name") return TakeName(value, entry);
  if (key == "token_sha256") return TakeDigest(value, entry);
  if (key == "roles") return TakeRoles(value, entry);
  if (key == "expires") return TakeExpiry(value, entry);
  if (key == "max_streams") return TakeLimit(key, value, entry.caller.limits.streams);
  if (key == "max_sessions") return TakeLimit(key, value, entry.caller.limits.sessions);
  if (key == "max_jobs") return TakeLimit(key, value, entry.caller.limits.jobs);
  if (key == "max_tokens_per_minute") {
    return TakeLimit(key, value, entry.caller.limits.tokens_per_minute);
  }
  if (key == "max_bytes_stored") return TakeLimit(key, value, entry.caller.limits.bytes_stored);
  return Wrong(absl::StrCat("got key ", Quoted(key),
                            ", wanted name, token_sha256, roles, expires, max_streams, "
                            "max_sessions, max_jobs, max_tokens_per_minute or max_bytes_stored"));
}

absl::StatusOr<TokenEntry> ParseLine(const std::string& line) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Wrong("wanted a JSON object");
  TokenEntry entry;
  for (const auto& [key, value] : json.items()) {
    if (absl::Status taken = Take(key, value, entry); !taken.ok()) return taken;
  }
  for (const char* key : {"name", "token_sha256", "roles"}) {
    if (!json.contains(key)) return Wrong(absl::StrCat(key, " is missing"));
  }
  return entry;
}

}  // namespace

absl::StatusOr<std::vector<TokenEntry>> ParseTokenFile(std::string_view text) {
  std::vector<TokenEntry> entries;
  int number = 0;
  for (const absl::string_view raw :
       absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    ++number;
    const std::string line(absl::StripAsciiWhitespace(raw));
    if (line.empty() || line[0] == '#') continue;
    absl::StatusOr<TokenEntry> entry = ParseLine(line);
    if (!entry.ok()) {
      return Wrong(absl::StrCat("line ", number, ": ", entry.status().message()));
    }
    const bool known = std::any_of(entries.begin(), entries.end(), [&](const TokenEntry& other) {
      return other.sha256 == entry->sha256;
    });
    if (known) return Wrong(absl::StrCat("line ", number, ": token_sha256 is on a line before"));
    entries.push_back(*std::move(entry));
  }
  return entries;
}

}  // namespace derin::server
