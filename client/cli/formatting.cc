#include "client/cli/formatting.h"

#include <cmath>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace derin::cli {

std::string ShortNumber(double value) {
  if (!std::isfinite(value)) return "-";
  constexpr const char* kLetters[] = {"", "k", "M", "G", "T"};
  size_t letter = 0;
  // Half a unit below the thousand, since 999.5 would be printed as 1000.
  while (std::abs(value) >= 999.5 && letter + 1 < std::size(kLetters)) {
    value /= 1000;
    ++letter;
  }
  const int decimals = std::abs(value) < (letter == 0 ? 9.95 : 99.95) ? 1 : 0;
  return absl::StrFormat("%.*f%s", decimals, value, kLetters[letter]);
}

std::string WholeNumber(int64_t value) {
  const std::string digits = absl::StrCat(value);
  const size_t first = value < 0 ? 1 : 0;
  std::string grouped;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > first && (digits.size() - i) % 3 == 0) grouped += ',';
    grouped += digits[i];
  }
  return grouped;
}

std::string Bytes(int64_t bytes) {
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return absl::StrFormat("%.1f %s", value, kUnits[unit]);
}

std::string Perplexity(std::optional<double> value) {
  if (!value.has_value() || !std::isfinite(*value)) return "-";
  if (*value >= 999.995) return ShortNumber(*value);
  return absl::StrFormat("%.2f", *value);
}

std::string Shortest(double value) { return absl::StrFormat("%.6g", value); }

std::string ShortDuration(absl::Duration duration) {
  if (duration == absl::InfiniteDuration() || duration == -absl::InfiniteDuration()) return "-";
  if (duration < absl::ZeroDuration()) duration = absl::ZeroDuration();
  const double seconds = absl::ToDoubleSeconds(duration);
  if (seconds == 0) return "0s";
  if (seconds < 0.00995) return absl::StrFormat("%.1fms", seconds * 1e3);
  if (seconds < 0.9995) return absl::StrFormat("%.0fms", seconds * 1e3);
  if (seconds < 9.95) return absl::StrFormat("%.1fs", seconds);
  const int64_t whole = std::llround(seconds);
  if (whole < 60) return absl::StrFormat("%ds", whole);
  const int64_t minutes = whole / 60;
  if (minutes < 60) return absl::StrFormat("%dm%02ds", minutes, whole % 60);
  const int64_t hours = minutes / 60;
  if (hours < 24) return absl::StrFormat("%dh%02dm", hours, minutes % 60);
  return absl::StrFormat("%dd%02dh", hours / 24, hours % 24);
}

std::string OneLine(std::string_view text) {
  std::string line;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool has_next = i + 1 < text.size();
    if (byte == '\n') {
      line += "↵";
    } else if (byte < 0x20 || byte == 0x7F) {
      line += '?';
    } else if (byte == 0xC2 && has_next && static_cast<unsigned char>(text[i + 1]) < 0xA0) {
      line += '?';  // U+0080 to U+009F
      ++i;
    } else {
      line += text[i];
    }
  }
  return line;
}

std::string LocalTime(std::optional<absl::Time> time, absl::TimeZone zone) {
  if (!time.has_value()) return "-";
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", *time, zone);
}

}  // namespace derin::cli
