#include "server/config_file.h"

#include <toml++/toml.h>

#include <algorithm>
#include <istream>
#include <iterator>
#include <sstream>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace derin::server {
namespace {

[[noreturn]] void Refuse(const toml::source_region& where, const std::string& what) {
  throw CLI::ConfigError(
      absl::StrCat("line ", where.begin.line, ", column ", where.begin.column, ": ", what));
}

toml::table Parse(const std::string& text) try {
  return toml::parse(text);
} catch (const toml::parse_error& error) {
  const std::string_view said = error.description();
  absl::string_view what(said.data(), said.size());
  // In the middle of anything else it took a text without quotes for a number, a time or a truth.
  const bool of_value = absl::ConsumePrefix(&what, "Error while parsing ") &&
                        !absl::StartsWith(what, "string") &&
                        !absl::StartsWith(what, "root table") && !absl::StartsWith(what, "key");
  Refuse(error.source(), absl::StrCat(what, of_value ? " (a text wants quotes)" : ""));
}

std::string ValueIn(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto number = node.value_exact<int64_t>()) return absl::StrCat(*number);
  if (const auto truth = node.value_exact<bool>()) return *truth ? "true" : "false";
  if (node.is_array()) Refuse(node.source(), "no option takes an array");
  if (node.is_table()) Refuse(node.source(), "options stand in no table");
  Refuse(node.source(), "wanted a text in quotes, a whole number, true or false");
}

// As TOML has it: whole numbers bare, everything else a string. Read back they are the same text.
std::string TomlValue(const std::string& value) {
  const bool whole =
      !value.empty() && value.size() < 19 && (value[0] != '0' || value == "0") &&
      std::all_of(value.begin(), value.end(), [](char byte) { return byte >= '0' && byte <= '9'; });
  if (whole) return value;
  const toml::value<std::string> quoted(value);
  std::ostringstream text;
  text << toml::toml_formatter(quoted, toml::format_flags::allow_unicode_strings);
  return text.str();
}

bool IsFlag(const CLI::Option& option) { return option.get_expected_max() == 0; }

// Of several the last, as the parser takes them.
std::string ValueOf(const CLI::Option& option) {
  if (IsFlag(option)) return option.count() > 0 && option.as<bool>() ? "true" : "false";
  return TomlValue(option.count() > 0 ? option.as<std::string>() : option.get_default_str());
}

}  // namespace

std::vector<CLI::ConfigItem> ConfigFile::from_config(std::istream& input) const {
  const toml::table table = Parse(std::string(std::istreambuf_iterator<char>(input), {}));
  std::vector<std::pair<toml::source_position, CLI::ConfigItem>> items;
  for (const auto& [key, value] : table) {
    CLI::ConfigItem item;
    item.name = std::string(key.str());
    item.inputs = {ValueIn(value)};
    items.emplace_back(key.source().begin, std::move(item));
  }
  // Of several unknown options the first one is named, and a table is in the order of its keys.
  std::sort(items.begin(), items.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<CLI::ConfigItem> in_order;
  for (auto& [position, item] : items) in_order.push_back(std::move(item));
  return in_order;
}

std::string ConfigFile::to_config(const CLI::App* app, bool defaults, bool describe,
                                  std::string prefix) const {
  std::string text;
  for (const CLI::Option* option : app->get_options()) {
    if (!option->get_configurable() || option->get_lnames().empty()) continue;
    if (!defaults && option->count() == 0) continue;
    if (describe) absl::StrAppend(&text, "# ", option->get_description(), "\n");
    absl::StrAppend(&text, prefix, option->get_lnames()[0], " = ", ValueOf(*option), "\n");
    if (describe) absl::StrAppend(&text, "\n");
  }
  return text;
}

}  // namespace derin::server
