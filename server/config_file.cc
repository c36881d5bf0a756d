#include "server/config_file.h"

#include <algorithm>
#include <istream>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace derin::server {
namespace {

constexpr std::string_view kBlank = " \t";

[[noreturn]] void Refuse(int line, const std::string& what) {
  throw CLI::ConfigError(absl::StrCat("line ", line, ": ", what));
}

bool IsKeyByte(char byte) {
  return absl::ascii_isalnum(static_cast<unsigned char>(byte)) || byte == '-' || byte == '_';
}

void SkipBlanks(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(kBlank), rest.size()));
}

// One line of the file; what is read leaves `rest_`.
class Line {
 public:
  Line(std::string_view text, int number) : rest_(text), number_(number) { SkipBlanks(rest_); }

  bool empty() const { return rest_.empty() || rest_[0] == '#'; }

  std::string Key() {
    if (rest_[0] == '[') Refuse(number_, "options stand in no table");
    const size_t size = std::find_if_not(rest_.begin(), rest_.end(), IsKeyByte) - rest_.begin();
    std::string key(rest_.substr(0, size));
    rest_.remove_prefix(size);
    SkipBlanks(rest_);
    if (key.empty() || rest_.empty() || rest_[0] != '=') Refuse(number_, "wanted KEY = VALUE");
    rest_.remove_prefix(1);
    SkipBlanks(rest_);
    return key;
  }

  std::string Value() {
    if (rest_.empty() || rest_[0] == '#') Refuse(number_, "there is no value");
    if (rest_[0] == '[' || rest_[0] == '{') Refuse(number_, "no option takes an array or a table");
    if (rest_.starts_with("\"\"\"") || rest_.starts_with("'''")) {
      Refuse(number_, "no option takes a text of several lines");
    }
    std::string value = rest_[0] == '"' ? Basic() : rest_[0] == '\'' ? Literal() : Bare();
    SkipBlanks(rest_);
    if (!empty()) Refuse(number_, "there is more than one value");
    return value;
  }

 private:
  std::string Literal() {
    const size_t end = rest_.find('\'', 1);
    if (end == std::string_view::npos) Refuse(number_, "the ' at the end is missing");
    std::string value(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return value;
  }

  std::string Basic() {
    std::string value;
    for (rest_.remove_prefix(1);; rest_.remove_prefix(1)) {
      if (rest_.empty()) Refuse(number_, "the \" at the end is missing");
      if (rest_[0] == '"') break;
      value += rest_[0] == '\\' ? Escaped() : std::string(1, rest_[0]);
    }
    rest_.remove_prefix(1);
    return value;
  }

  // Leaves the escape's last byte.
  std::string Escaped() {
    constexpr std::string_view kNames = "btnfr\"\\";
    constexpr std::string_view kBytes = "\b\t\n\f\r\"\\";
    rest_.remove_prefix(1);
    if (rest_.empty()) Refuse(number_, "the \" at the end is missing");
    if (const size_t at = kNames.find(rest_[0]); at != std::string_view::npos) {
      return std::string(1, kBytes[at]);
    }
    Refuse(number_, absl::StrFormat("unknown escape \\%c; a text in ' has none", rest_[0]));
  }

  // A number, true or false; other words want quotes.
  std::string Bare() {
    const size_t size = std::min(rest_.find_first_of(" \t#"), rest_.size());
    std::string value(rest_.substr(0, size));
    rest_.remove_prefix(size);
    if (value == "true" || value == "false") return value;
    std::string digits = value;
    if (digits[0] == '-' || digits[0] == '+') digits.erase(0, 1);
    digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
    const bool whole = !digits.empty() && std::all_of(digits.begin(), digits.end(), [](char byte) {
      return absl::ascii_isdigit(static_cast<unsigned char>(byte));
    });
    if (!whole) Refuse(number_, absl::StrCat("a text wants quotes: \"", value, "\""));
    return value[0] == '-' ? absl::StrCat("-", digits) : digits;
  }

  std::string_view rest_;
  const int number_;
};

// As TOML has it: whole numbers bare, everything else a string. Read back they are the same text.
std::string TomlValue(const std::string& value) {
  const bool whole = !value.empty() && value.size() < 19 && (value[0] != '0' || value == "0") &&
                     std::all_of(value.begin(), value.end(), [](char byte) {
                       return absl::ascii_isdigit(static_cast<unsigned char>(byte));
                     });
  if (whole) return value;
  std::string quoted = "\"";
  for (const char byte : value) {
    if (byte == '"' || byte == '\\') quoted += '\\';
    if (byte == '\n') {
      quoted += "\\n";
    } else {
      quoted += byte;
    }
  }
  return quoted + "\"";
}

bool IsFlag(const CLI::Option& option) { return option.get_expected_max() == 0; }

// Of several the last, as the parser takes them.
std::string ValueOf(const CLI::Option& option) {
  if (IsFlag(option)) return option.count() > 0 && option.as<bool>() ? "true" : "false";
  return TomlValue(option.count() > 0 ? option.as<std::string>() : option.get_default_str());
}

}  // namespace

std::vector<CLI::ConfigItem> ConfigFile::from_config(std::istream& input) const {
  std::vector<CLI::ConfigItem> items;
  std::string text;
  for (int number = 1; std::getline(input, text); ++number) {
    if (text.ends_with('\r')) text.pop_back();
    Line line(text, number);
    if (line.empty()) continue;
    CLI::ConfigItem item;
    item.name = line.Key();
    item.inputs = {line.Value()};
    for (const CLI::ConfigItem& before : items) {
      if (before.name == item.name) {
        Refuse(number, absl::StrCat("'", item.name, "' is there a second time"));
      }
    }
    items.push_back(std::move(item));
  }
  return items;
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
