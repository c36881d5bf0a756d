#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace derin {

// `text` as JSON; nothing throws. DATA_LOSS when it is no JSON, when an object has a key twice
// (readers disagree on which one counts), or when arrays and objects nest deeper than `deepest`,
// which costs a reader more memory than the text is long.
absl::StatusOr<nlohmann::json> ParseStrictJson(std::string_view text, int deepest);

}  // namespace derin
