#pragma once

#include <cstddef>
#include <functional>
#include <istream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace derin::client {

// Bytes in order, read once: fills the front of `buffer` (never empty) and says how many bytes it
// put there; 0 at the end, and ever after.
using ByteSource = std::function<absl::StatusOr<size_t>(absl::Span<char> buffer)>;

// Takes bytes in order; an error ends what gives them.
using ByteSink = std::function<absl::Status(std::string_view bytes)>;

// Bytes held in memory.
ByteSource TextSource(std::string text);

// What is left in `stream`, which must outlive the source.
ByteSource StreamSource(std::istream& stream);

// `sources` one after the other with nothing between.
ByteSource JoinedSource(std::vector<ByteSource> sources);

// The files one after the other with nothing between. All are opened here, so that one that is
// missing is known before anything is sent: NOT_FOUND, or PERMISSION_DENIED, naming it.
absl::StatusOr<ByteSource> FilesSource(const std::vector<std::string>& paths);

}  // namespace derin::client
