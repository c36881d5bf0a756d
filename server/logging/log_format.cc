#include "server/logging/log_format.h"

#include <spdlog/pattern_formatter.h>

#include <algorithm>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "model/text/quoted.h"
#include "server/logging/log_line.h"

namespace derin::server {
namespace {

// Whether a value shows where it ends, and cannot look like another line.
bool IsPlain(std::string_view value) {
  return !value.empty() && std::all_of(value.begin(), value.end(), [](unsigned char c) {
    return absl::ascii_isgraph(c) && c != '"' && c != '=';
  });
}

struct AsText {
  std::string operator()(const std::string& value) const {
    return IsPlain(value) ? value : Quoted(value);
  }
  std::string operator()(int64_t value) const { return absl::StrCat(value); }
  std::string operator()(double value) const { return absl::StrFormat("%.6g", value); }
};

// ` name=value` for each field.
class FieldsFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& /*line*/, const std::tm& /*time*/,
              spdlog::memory_buf_t& to) override {
    for (const LogField& field : FieldsOfThisLine()) {
      const std::string text =
          absl::StrCat(" ", absl::string_view(field.name.data(), field.name.size()), "=",
                       std::visit(AsText(), field.value));
      to.append(text.data(), text.data() + text.size());
    }
  }
  std::unique_ptr<spdlog::custom_flag_formatter> clone() const override {
    return std::make_unique<FieldsFlag>();
  }
};

class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& line, spdlog::memory_buf_t& to) override {
    const auto level = spdlog::level::to_string_view(line.level);
    nlohmann::ordered_json object = {
        {"time", absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3SZ", absl::FromChrono(line.time),
                                  absl::UTCTimeZone())},
        {"level", std::string(level.data(), level.size())},
        {"message", std::string(line.payload.data(), line.payload.size())}};
    for (const LogField& field : FieldsOfThisLine()) {
      std::visit([&](const auto& value) { object[std::string(field.name)] = value; }, field.value);
    }
    const std::string text =
        object.dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace) +
        "\n";
    to.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonFormatter>();
  }
};

}  // namespace

std::unique_ptr<spdlog::formatter> NewLogFormatter(LogFormat format) {
  if (format == LogFormat::kJson) return std::make_unique<JsonFormatter>();
  auto text = std::make_unique<spdlog::pattern_formatter>();
  text->add_flag<FieldsFlag>('*').set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v%*");
  return text;
}

}  // namespace derin::server
