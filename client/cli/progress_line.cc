#include "client/cli/progress_line.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/formatting.h"

namespace derin::cli {
namespace {

constexpr int kShortestBar = 10;
constexpr int kLongestBar = 30;
// A plain line ends up in log files, where there is no width to keep to.
constexpr int kPlainWidth = 200;

// "[====>     ]" with `cells` columns inside.
std::string Bar(double fraction, int cells) {
  const int filled = static_cast<int>(fraction * cells);
  std::string inside(filled, '=');
  if (filled < cells) inside += '>';
  inside.resize(cells, ' ');
  return absl::StrCat("[", inside, "]");
}

// The parts of the line, in the order in which they stand.
enum Part { kEpoch, kStep, kPerplexity, kValidation, kRate, kPercent, kTimeLeft, kParts };

// What goes first when there is no room; the bar went before.
constexpr Part kDropped[] = {kStep, kRate, kEpoch, kValidation, kTimeLeft, kPercent};

std::string Join(const std::vector<std::string>& parts) {
  std::vector<std::string> present;
  std::copy_if(parts.begin(), parts.end(), std::back_inserter(present),
               [](const std::string& part) { return !part.empty(); });
  return absl::StrJoin(present, "  ");
}

}  // namespace

std::string ProgressText(const client::TrainingProgress& progress, int width) {
  const double fraction =
      std::isfinite(progress.fraction_done) ? std::clamp(progress.fraction_done, 0.0, 1.0) : 0;
  std::vector<std::string> parts(kParts);
  parts[kEpoch] = absl::StrCat("epoch ", progress.epoch, "/", progress.epochs);
  parts[kStep] = absl::StrCat("step ", progress.step, "/", progress.steps);
  parts[kPerplexity] = "perplexity " + Perplexity(progress.training_perplexity);
  if (progress.validation_perplexity.has_value()) {
    parts[kValidation] = "valid " + Perplexity(progress.validation_perplexity);
  }
  parts[kRate] = ShortNumber(progress.tokens_per_second) + " tokens/s";
  // Rounded down: 100 % is for what is done.
  parts[kPercent] = absl::StrFormat("%d %%", static_cast<int>(fraction * 100));
  if (progress.time_left.has_value() && fraction < 1) {
    parts[kTimeLeft] = ShortDuration(*progress.time_left) + " left";
  }

  const int room = width - static_cast<int>(Join(parts).size());
  // The bar takes "[] " beside its cells.
  if (const int cells = std::min(room - 3, kLongestBar); cells >= kShortestBar) {
    parts[kPercent] = absl::StrCat(Bar(fraction, cells), " ", parts[kPercent]);
    return Join(parts);
  }
  std::string line = Join(parts);
  for (const Part part : kDropped) {
    if (static_cast<int>(line.size()) <= width) break;
    parts[part].clear();
    line = Join(parts);
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
