#include "client/cli/options.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "proto/command_line/nearest_name.h"

namespace derin::cli {
namespace {

// A flag's help says what it means and its range, then its default in brackets.
std::string WithoutDefault(const std::string& help) { return help.substr(0, help.rfind(" [")); }

// Adds `flag` with the parser's result as its value; CLI11 shows the validator's message.
template <typename T, typename Parse>
CLI::Option* AddParsed(CLI::App& command, const std::string& flag, std::optional<T>& value,
                       const std::string& help, const char* wanted, Parse parse) {
  return command
      .add_option_function<std::string>(
          flag, [&value, parse](const std::string& text) { value = parse(text); }, help)
      ->type_name("N")
      ->check([wanted, help, parse](const std::string& text) -> std::string {
        if (parse(text).has_value()) return "";
        return absl::StrCat("got '", text, "', wanted ", wanted, " (", WithoutDefault(help), ")");
      });
}

std::optional<int32_t> ParseInt32(const std::string& text) {
  const std::optional<int64_t> whole = ParseWhole(text);
  if (!whole.has_value() || *whole < std::numeric_limits<int32_t>::min() ||
      *whole > std::numeric_limits<int32_t>::max()) {
    return std::nullopt;
  }
  return static_cast<int32_t>(*whole);
}

// `take` says whether it could read a value.
template <typename Take>
void AddRepeated(CLI::App& command, const std::string& flag, const char* shape,
                 const std::string& help, const char* wanted, Take take) {
  command
      .add_option_function<std::vector<std::string>>(
          flag,
          [flag, wanted, take](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) {
              if (take(text)) continue;
              throw CLI::ValidationError(flag, absl::StrCat("got '", text, "', wanted ", wanted));
            }
          },
          help)
      ->type_name(shape)
      ->expected(1)
      // Or the parser would take brackets around a value for a list of values.
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

}  // namespace

std::optional<int64_t> ParseWhole(const std::string& text) {
  int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value)) return std::nullopt;
  return value;
}

std::optional<uint64_t> ParseUnsigned(const std::string& text) {
  uint64_t value = 0;
  if (!absl::SimpleAtoi(text, &value)) return std::nullopt;
  return value;
}

std::optional<double> ParseReal(const std::string& text) {
  double value = 0;
  if (!absl::SimpleAtod(text, &value)) return std::nullopt;
  return value;
}

std::optional<absl::Duration> ParseTime(const std::string& text) {
  absl::Duration time;
  if (const std::optional<double> seconds = ParseReal(text); seconds.has_value()) {
    time = absl::Seconds(std::isnan(*seconds) ? HUGE_VAL : *seconds);
  } else if (!absl::ParseDuration(text, &time)) {
    return std::nullopt;
  }
  const bool infinite = time == absl::InfiniteDuration() || time == -absl::InfiniteDuration();
  return infinite ? std::nullopt : std::make_optional(time);
}

void AddNumber(CLI::App& command, const std::string& flag, std::optional<int32_t>& value,
               const std::string& help) {
  AddParsed(command, flag, value, help, "a whole number", ParseInt32);
}

void AddNumber(CLI::App& command, const std::string& flag, std::optional<int64_t>& value,
               const std::string& help) {
  AddParsed(command, flag, value, help, "a whole number", ParseWhole);
}

void AddNumber(CLI::App& command, const std::string& flag, std::optional<uint64_t>& value,
               const std::string& help) {
  AddParsed(command, flag, value, help, "a whole number from 0 to 18446744073709551615",
            ParseUnsigned);
}

void AddNumber(CLI::App& command, const std::string& flag, std::optional<double>& value,
               const std::string& help) {
  AddParsed(command, flag, value, help, "a number", ParseReal);
}

void AddTime(CLI::App& command, const std::string& flag, std::optional<absl::Duration>& value,
             const std::string& help) {
  AddParsed(command, flag, value, help, "a time such as 90s, 15m or 1h30m, or a number of seconds",
            ParseTime)
      ->type_name("TIME");
}

void AddTexts(CLI::App& command, const std::string& flag, std::vector<std::string>& values,
              const std::string& help) {
  AddRepeated(command, flag, "TEXT", help, "a text", [&values](const std::string& text) {
    values.push_back(text);
    return true;
  });
}

void AddNumbers(CLI::App& command, const std::string& flag, std::vector<int32_t>& values,
                const std::string& help) {
  AddRepeated(command, flag, "TOKEN", help, "a whole number", [&values](const std::string& text) {
    const std::optional<int32_t> number = ParseInt32(text);
    if (number.has_value()) values.push_back(*number);
    return number.has_value();
  });
}

void AddNumbers(CLI::App& command, const std::string& flag, std::map<int32_t, double>& values,
                const std::string& help) {
  AddRepeated(command, flag, "TOKEN=N", help, "TOKEN=N", [&values](const std::string& text) {
    const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
    const std::optional<int32_t> key = ParseInt32(parts[0]);
    const std::optional<double> value = parts.size() == 2 ? ParseReal(parts[1]) : std::nullopt;
    if (!key.has_value() || !value.has_value()) return false;
    values[*key] = *value;
    return true;
  });
}

void AddWeighted(CLI::App& command, const std::string& flag, std::vector<Weighted>& values,
                 const std::string& help) {
  AddRepeated(
      command, flag, "NAME[=WEIGHT]", help, "NAME or NAME=WEIGHT",
      [&values](const std::string& text) {
        const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
        Weighted value{.name = parts[0]};
        if (parts.size() == 2) value.weight = ParseReal(parts[1]);
        const bool good = !value.name.empty() && value.weight.has_value() == (parts.size() == 2);
        if (good) values.push_back(std::move(value));
        return good;
      });
}

void AddLabels(CLI::App& command, const std::string& flag,
               std::map<std::string, std::string>& labels, const std::string& help) {
  AddRepeated(command, flag, "KEY=VALUE", help, "KEY=VALUE", [&labels](const std::string& text) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
    if (parts.first.empty() || text.find('=') == std::string::npos) return false;
    labels[parts.first] = parts.second;
    return true;
  });
}

void AddWord(CLI::App& command, const std::string& flag, const std::vector<std::string>& words,
             std::function<void(size_t)> take, const std::string& help) {
  const std::string choice = absl::StrJoin(words, "|");
  const auto index = [words](const std::string& text) -> size_t {
    return std::find(words.begin(), words.end(), text) - words.begin();
  };
  command
      .add_option_function<std::string>(
          flag, [take = std::move(take), index](const std::string& text) { take(index(text)); },
          help)
      ->type_name(choice)
      ->check([words, choice, index](const std::string& text) -> std::string {
        if (index(text) < words.size()) return "";
        return absl::StrCat("got '", text, "', wanted ", choice, DidYouMean(text, words));
      });
}

}  // namespace derin::cli
