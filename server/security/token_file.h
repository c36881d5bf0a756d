#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/security/caller.h"

namespace derin::server {

// What the server knows of one token: not the token.
struct TokenEntry {
  std::string sha256;  // of the token, in lower-case hexadecimal
  Caller caller;
  absl::Time expires = absl::InfiniteFuture();
};

// A file of tokens: a JSON object a line, such as
//   {"name":"ada","token_sha256":"9f86...","roles":["read","generate"],"expires":"2027-01-31T00:00:00Z",
//    "max_streams":4,"max_sessions":100,"max_jobs":2,"max_tokens_per_minute":60000,
//    "max_bytes_stored":1073741824}
// without a break in it. `expires` and the limits may be left out. Empty lines and those that begin
// with `#` are skipped. A name on several lines is one caller with several tokens. INVALID_ARGUMENT
// names the line and what is wrong; it never repeats a digest or what stands in its place.
absl::StatusOr<std::vector<TokenEntry>> ParseTokenFile(std::string_view text);

}  // namespace derin::server
