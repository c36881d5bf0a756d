#pragma once

#include <spdlog/common.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "absl/types/span.h"

namespace derin::server {

// What a line of the log says for machines beside its message.
struct LogField {
  std::string_view name;  // snake_case
  std::variant<std::string, int64_t, double> value;
};

// Writes one line, with the format that the log has (see NewLogFormatter).
void Log(spdlog::level::level_enum level, std::string_view message,
         absl::Span<const LogField> fields);

// Of the line that this thread writes just now; none of a line without fields. spdlog knows
// messages only, and formats each on the thread that logs it.
absl::Span<const LogField> FieldsOfThisLine();

}  // namespace derin::server
