#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace derin::server {

// What every upload is held to, whatever its bytes become.

inline constexpr size_t kMaxChunkBytes = size_t{1} << 20;

// The digest that a header announces, in lower case; empty when it announces none.
// INVALID_ARGUMENT, naming `header.sha256`.
absl::StatusOr<std::string> AnnouncedSha256(std::string_view sha256);

// INVALID_ARGUMENT, naming `chunk`, above kMaxChunkBytes.
absl::Status CheckChunk(std::string_view chunk);

// Whether the `size_bytes` that arrived have the `announced` digest, if any: DATA_LOSS, reason
// DIGEST_MISMATCH.
absl::Status CheckArrived(std::string_view announced, std::string_view got, int64_t size_bytes);

}  // namespace derin::server
