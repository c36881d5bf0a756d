#include "client/cli/progress_line.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/formatting.h"

namespace derin::cli {
namespace {

constexpr int kShortestBar = 6;
constexpr int kLongestBar = 30;
// A plain line ends up in log files, where there is no width to keep to.
constexpr int kPlainWidth = 200;

// How a line is written.
struct Style {
  const char* perplexity = "perplexity ";
  const char* rate_unit = " tokens/s";
  const char* separator = "  ";
  bool percent = true;  // beside the bar, which says the same
  const char* left = " left";
};

// From the roomiest to the tightest: in 79 columns even 500 epochs of 77,500 steps with a
// validation figure keep every part and a bar.
constexpr Style kStyles[] = {
    {},
    {.rate_unit = " tok/s"},
    {.perplexity = "ppl ", .rate_unit = " tok/s"},
    {.perplexity = "ppl ", .rate_unit = " tok/s", .separator = " "},
    {.perplexity = "ppl ", .rate_unit = " tok/s", .separator = " ", .percent = false},
    {.perplexity = "ppl ", .rate_unit = " tok/s", .separator = " ", .percent = false, .left = ""},
};
// Of a line that has no room for a bar.
constexpr Style kBarless = {.perplexity = "ppl ", .rate_unit = " tok/s", .separator = " "};

// "[====>     ]" with `cells` columns inside.
std::string Bar(double fraction, int cells) {
  const int filled = static_cast<int>(fraction * cells);
  std::string inside(filled, '=');
  if (filled < cells) inside += '>';
  inside.resize(cells, ' ');
  return absl::StrCat("[", inside, "]");
}

// The parts of the line, in the order in which they stand.
enum Part { kEpoch, kStep, kPerplexity, kValidation, kRate, kBar, kPercent, kTimeLeft, kParts };
using Parts = std::vector<std::string>;

// What goes first when no style has room; the bar went before, for the percentage.
constexpr Part kDropped[] = {kStep, kRate, kEpoch, kValidation, kTimeLeft, kPercent};

double FractionDone(const client::TrainingProgress& progress) {
  return std::isfinite(progress.fraction_done) ? std::clamp(progress.fraction_done, 0.0, 1.0) : 0;
}

// All but the bar.
Parts PartsOf(const client::TrainingProgress& progress, const Style& style) {
  const double fraction = FractionDone(progress);
  Parts parts(kParts);
  parts[kEpoch] = absl::StrCat("epoch ", progress.epoch, "/", progress.epochs);
  parts[kStep] = absl::StrCat("step ", progress.step, "/", progress.steps);
  parts[kPerplexity] = absl::StrCat(style.perplexity, Perplexity(progress.training_perplexity));
  if (progress.validation_perplexity.has_value()) {
    parts[kValidation] = "valid " + Perplexity(progress.validation_perplexity);
  }
  parts[kRate] = absl::StrCat(ShortNumber(progress.tokens_per_second), style.rate_unit);
  // Rounded down: 100 % is for what is done.
  parts[kPercent] = absl::StrCat(static_cast<int>(fraction * 100), " %");
  if (progress.time_left.has_value() && fraction < 1) {
    parts[kTimeLeft] = absl::StrCat(ShortDuration(*progress.time_left), style.left);
  }
  return parts;
}

std::string Join(const Parts& parts, const Style& style) {
  std::string line;
  for (int part = 0; part < kParts; ++part) {
    if (parts[part].empty()) continue;
    // The percentage belongs to the bar.
    const bool beside_bar = part == kPercent && !parts[kBar].empty();
    if (!line.empty()) line += beside_bar ? " " : style.separator;
    line += parts[part];
  }
  return line;
}

// All parts with a bar as long as fits; nullopt when there is no room for a bar.
std::optional<std::string> WithBar(const client::TrainingProgress& progress, const Style& style,
                                   int width) {
  Parts parts = PartsOf(progress, style);
  if (!style.percent) parts[kPercent].clear();
  const double fraction = FractionDone(progress);
  parts[kBar] = Bar(fraction, kShortestBar);
  const int room = width - static_cast<int>(Join(parts, style).size());
  if (room < 0) return std::nullopt;
  parts[kBar] = Bar(fraction, std::min(kShortestBar + room, kLongestBar));
  return Join(parts, style);
}

}  // namespace

std::string ProgressText(const client::TrainingProgress& progress, int width) {
  for (const Style& style : kStyles) {
    if (auto line = WithBar(progress, style, width); line.has_value()) return *std::move(line);
  }
  Parts parts = PartsOf(progress, kBarless);
  std::string line = Join(parts, kBarless);
  for (const Part part : kDropped) {
    if (static_cast<int>(line.size()) <= width) break;
    parts[part].clear();
    line = Join(parts, kBarless);
  }
  line.resize(std::min<size_t>(line.size(), std::max(width, 0)));
  return line;
}

ProgressLine::ProgressLine(std::ostream& out, Settings settings)
    : out_(out), settings_(std::move(settings)) {}

void ProgressLine::Update(const client::TrainingProgress& progress) {
  latest_ = progress;
  shown_ = false;
  const absl::Duration interval =
      settings_.terminal ? settings_.terminal_interval : settings_.plain_interval;
  if (settings_.now() - last_draw_ >= interval) Draw();
}

void ProgressLine::Note(std::string_view line) {
  // Where lines stay, they stay in the order of what happened.
  if (!settings_.terminal && !shown_) Draw();
  const bool redraw = live_;
  Erase();
  out_ << line << '\n';
  if (redraw) Draw();
  out_.flush();
}

void ProgressLine::Finish() {
  if (!shown_) Draw();
  if (live_) out_ << '\n' << std::flush;
  live_ = false;
  latest_.reset();
}

void ProgressLine::Draw() {
  if (!latest_.has_value()) return;
  if (settings_.terminal) {
    // A line as wide as the terminal would wrap. Drawn over the old one before its rest is erased,
    // so that it does not flicker.
    out_ << '\r' << ProgressText(*latest_, settings_.columns() - 1) << "\x1b[K" << std::flush;
    live_ = true;
  } else {
    out_ << ProgressText(*latest_, kPlainWidth) << '\n' << std::flush;
  }
  shown_ = true;
  last_draw_ = settings_.now();
}

void ProgressLine::Erase() {
  if (!live_) return;
  out_ << "\r\x1b[K";
  live_ = false;
}

}  // namespace derin::cli
