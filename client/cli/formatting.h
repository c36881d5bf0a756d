#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace derin::cli {

// Numbers as people read them. What is unknown or not finite is "-" throughout.

// Three digits and a letter: 7.3, 987, 12.3k, 4.6M.
std::string ShortNumber(double value);
// All digits, in groups: 173,428.
std::string WholeNumber(int64_t value);
// 812 B, 173.4 KiB, 1.2 GiB.
std::string Bytes(int64_t bytes);
// Two decimals below 1,000, then as ShortNumber().
std::string Perplexity(std::optional<double> value);
// As few digits as say the same: 2, 0.001, 1e-08.
std::string Shortest(double value);
// The two largest units: 0.4ms, 420ms, 3.2s, 45s, 1m32s, 3h05m, 2d04h. Negative is 0s.
std::string ShortDuration(absl::Duration duration);
// `text` (UTF-8) on one line of a terminal, whatever is in it: a line break is ↵, and what else
// steers a terminal a question mark.
std::string OneLine(std::string_view text);
// 2024-05-01 12:03:11.
std::string LocalTime(std::optional<absl::Time> time, absl::TimeZone zone);

}  // namespace derin::cli
