#include "server/logging/log_line.h"

#include <spdlog/spdlog.h>

namespace derin::server {
namespace {

constinit thread_local const absl::Span<const LogField>* fields_of_this_line = nullptr;

}  // namespace

void Log(spdlog::level::level_enum level, std::string_view message,
         absl::Span<const LogField> fields) {
  fields_of_this_line = &fields;
  spdlog::log(level, "{}", message);
  fields_of_this_line = nullptr;
}

absl::Span<const LogField> FieldsOfThisLine() {
  return fields_of_this_line == nullptr ? absl::Span<const LogField>() : *fields_of_this_line;
}

}  // namespace derin::server
