#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace derin {

// `text` as JSON; nothing throws. DATA_LOSS when it is no JSON, when an object has a key twice
// (readers disagree on which one counts), when arrays and objects nest deeper than `deepest`, or
// when there are more than 100,000 values (the largest vocabulary has 65,536): a reader would take
// many times the memory of the text.
absl::StatusOr<nlohmann::json> ParseStrictJson(std::string_view text, int deepest);

}  // namespace derin
