#pragma once

#include <spdlog/formatter.h>

#include <memory>

namespace derin::server {

enum class LogFormat {
  // For people: time, level, message, fields as `name=value`.
  kText,
  // For machines: an object in each line, with `time`, `level`, `message`, and the fields. Always
  // valid JSON; bytes that are no UTF-8 become U+FFFD.
  kJson,
};

std::unique_ptr<spdlog::formatter> NewLogFormatter(LogFormat format);

}  // namespace derin::server
