#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "client/cli/enum_names.h"

namespace derin::cli {

// What a flag's text is as a number; nullopt when it is none, or too large for the type.
std::optional<int64_t> ParseWhole(const std::string& text);
std::optional<uint64_t> ParseUnsigned(const std::string& text);
std::optional<double> ParseReal(const std::string& text);
// With units, as the server's flags have it, or a number of seconds; finite.
std::optional<absl::Duration> ParseTime(const std::string& text);

// Flags with a number; text that is none, or too large for the type, is bad usage, answered with
// `help` up to its default in brackets. The range is the server's to check: it names the field, and
// it may be newer than this program.
void AddNumber(CLI::App& command, const std::string& flag, std::optional<int32_t>& value,
               const std::string& help);
void AddNumber(CLI::App& command, const std::string& flag, std::optional<int64_t>& value,
               const std::string& help);
void AddNumber(CLI::App& command, const std::string& flag, std::optional<uint64_t>& value,
               const std::string& help);
void AddNumber(CLI::App& command, const std::string& flag, std::optional<double>& value,
               const std::string& help);

// The same with a time.
void AddTime(CLI::App& command, const std::string& flag, std::optional<absl::Duration>& value,
             const std::string& help);

// A flag that may be repeated: each adds a text, whatever is in it.
void AddTexts(CLI::App& command, const std::string& flag, std::vector<std::string>& values,
              const std::string& help);

// Flags that may be repeated: each adds a number, or a key and its value as KEY=VALUE.
void AddNumbers(CLI::App& command, const std::string& flag, std::vector<int32_t>& values,
                const std::string& help);
void AddNumbers(CLI::App& command, const std::string& flag, std::map<int32_t, double>& values,
                const std::string& help);

// `NAME` or `NAME=WEIGHT`, as often as wanted.
struct Weighted {
  std::string name;
  std::optional<double> weight{};
};
void AddWeighted(CLI::App& command, const std::string& flag, std::vector<Weighted>& values,
                 const std::string& help);

// A flag that may be repeated: each sets the value of a key, as KEY=VALUE.
void AddLabels(CLI::App& command, const std::string& flag,
               std::map<std::string, std::string>& labels, const std::string& help);

// A flag that takes one of `words`; `take` gets the index of the one that was given.
void AddWord(CLI::App& command, const std::string& flag, const std::vector<std::string>& words,
             std::function<void(size_t)> take, const std::string& help);

// A flag that takes one of an enum's names.
template <typename Enum, size_t kCount>
void AddEnum(CLI::App& command, const std::string& flag, Enum& value,
             const EnumName<Enum> (&names)[kCount], const std::string& help) {
  std::vector<std::string> words;
  for (const auto& [known, name] : names) words.emplace_back(name);
  AddWord(
      command, flag, words, [&value, &names](size_t i) { value = names[i].value; }, help);
}

}  // namespace derin::cli
