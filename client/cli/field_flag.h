#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace derin::cli {

// A request's field and what sets it on the command line: a flag such as `--top-p`, or an argument
// such as `NAME`.
struct FieldFlag {
  std::string_view field;
  std::string_view flag;
};

// The server speaks of fields, people here of flags: `status` with the flag behind its message when
// it names the field of one of `flags`, or an element of it.
absl::Status WithFlag(const absl::Status& status, absl::Span<const FieldFlag> flags);

}  // namespace derin::cli
