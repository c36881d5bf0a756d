#include "server/status_page/readable_figures.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace derin::server {

std::string ReadableCount(int64_t count) {
  std::string digits = absl::StrCat(count);
  const int first = digits[0] == '-' ? 1 : 0;
  for (int at = static_cast<int>(digits.size()) - 3; at > first; at -= 3) digits.insert(at, ",");
  return digits;
}

std::string ReadableRate(double rate) {
  if (!(rate > 0)) return "0";
  return rate < 99.95 ? absl::StrFormat("%.1f", rate) : ReadableCount(std::llround(rate));
}

std::string ReadableBytes(int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1023.95 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return unit == 0 ? absl::StrCat(bytes, " B") : absl::StrFormat("%.1f %s", value, kUnits[unit]);
}

std::string ReadableSpan(absl::Duration span) {
  const int64_t seconds = std::max<int64_t>(0, absl::ToInt64Seconds(span));
  const int64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
  if (days > 0) return absl::StrCat(days, " d ", hours % 24, " h");
  if (hours > 0) return absl::StrCat(hours, " h ", minutes % 60, " min");
  if (minutes > 0) return absl::StrCat(minutes, " min ", seconds % 60, " s");
  return absl::StrCat(seconds, " s");
}

std::string ReadablePerplexity(double perplexity) {
  if (!std::isfinite(perplexity)) return "∞";
  if (perplexity >= 1e5) return absl::StrFormat("%.1e", perplexity);
  const int whole = perplexity < 10 ? 1 : static_cast<int>(std::log10(perplexity)) + 1;
  return absl::StrFormat("%.*f", std::max(0, 4 - whole), perplexity);
}

}  // namespace derin::server
