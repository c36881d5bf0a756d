#include "client/cli/upload_line.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/cli/formatting.h"

namespace derin::cli {
namespace {

constexpr absl::Duration kInterval = absl::Milliseconds(50);  // between two drawings
constexpr int kCells = 24;                                    // of the bar

}  // namespace

std::string UploadText(int64_t bytes, std::optional<int64_t> total, absl::Duration time,
                       int width) {
  std::string text = Bytes(bytes);
  std::string bar;
  if (total.has_value() && *total > 0) {
    const double done = std::min(1.0, static_cast<double>(bytes) / static_cast<double>(*total));
    absl::StrAppend(&text, " of ", Bytes(*total));
    const int filled = static_cast<int>(done * kCells);
    bar = absl::StrCat("  [", std::string(filled, '='), filled < kCells ? ">" : "",
                       std::string(std::max(0, kCells - filled - 1), ' '), "]");
    // Rounded down: 100 % is for what is sent.
    absl::StrAppend(&bar, " ", static_cast<int>(done * 100), " %");
  }
  std::string rate;
  if (time > absl::ZeroDuration()) {
    const double seconds = absl::ToDoubleSeconds(time);
    rate =
        absl::StrCat("  ", Bytes(static_cast<int64_t>(static_cast<double>(bytes) / seconds)), "/s");
  }
  const auto fits = [&](const std::string& more) {
    return static_cast<int>(text.size() + more.size()) <= width;
  };
  if (fits(bar + rate)) return text + bar + rate;
  if (fits(bar)) return text + bar;
  return fits("") ? text : "";
}

UploadLine::UploadLine(Console& console, std::optional<int64_t> total)
    : console_(console), total_(total), begin_(console.now()) {}

void UploadLine::Update(int64_t bytes) {
  if (!console_.err_is_terminal) return;
  const absl::Time now = console_.now();
  if (now - last_draw_ < kInterval) return;
  last_draw_ = now;
  Erase();
  // The last column makes some terminals begin a new line.
  console_.err << UploadText(bytes, total_, now - begin_, console_.columns() - 1) << std::flush;
  live_ = true;
}

void UploadLine::Note(std::string_view line) {
  Erase();
  console_.err << line << '\n';
}

void UploadLine::Erase() {
  if (live_) console_.err << "\r\x1b[K" << std::flush;
  live_ = false;
}

}  // namespace derin::cli
