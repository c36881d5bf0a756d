#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/storage/database.h"

namespace derin::server {

// Whose an uploaded corpus or model is, and how many bytes it may have in all of them.
struct ByteQuota {
  std::string owner;                 // empty: nobody's
  std::optional<int64_t> max_bytes;  // unset: any number
};

// Bytes of the corpora and imported versions of models that `owner` has uploaded and that are
// there, and of its uploads that have not ended.
absl::StatusOr<int64_t> StoredBytes(Database& database, std::string_view owner);

// The reason of what does not fit.
inline constexpr char kCallerBytesFull[] = "CALLER_BYTES_FULL";

// Whether `more` bytes fit beside the `stored` ones: RESOURCE_EXHAUSTED, reason CALLER_BYTES_FULL,
// when they do not.
absl::Status CheckRoom(const ByteQuota& quota, int64_t stored, int64_t more);
// The same with what is stored now.
absl::Status CheckRoom(Database& database, const ByteQuota& quota, int64_t more);

}  // namespace derin::server
