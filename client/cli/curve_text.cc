#include "client/cli/curve_text.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "absl/strings/str_format.h"
#include "client/cli/formatting.h"
#include "client/cli/table.h"

namespace derin::cli {
namespace {

constexpr int kPlotRows = 15;
constexpr int kScaleWidth = 8;  // of the numbers at the left, with a space behind them
constexpr int kNarrowest = 20, kWidest = 100;

// The logarithms between which all perplexities are; infinite ones lie beyond.
struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void Include(double perplexity) {
    if (!std::isfinite(perplexity)) return;
    low = std::min(low, std::log(perplexity));
    high = std::max(high, std::log(perplexity));
  }
  // 0 is the highest.
  int RowOf(double perplexity) const {
    if (high <= low) return 0;
    const double share = (high - std::log(perplexity)) / (high - low);
    return static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * (kPlotRows - 1)));
  }
  double PerplexityOf(int row) const {
    return std::exp(high - (high - low) * row / (kPlotRows - 1));
  }
};

}  // namespace

void PrintCurve(const std::vector<client::TrainingMetrics>& points, int64_t rows,
                std::ostream& out) {
  Table table({{"STEP", Table::Align::kRight},
               {"EPOCHS", Table::Align::kRight},
               {"TOKENS", Table::Align::kRight},
               {"PERPLEXITY", Table::Align::kRight},
               {"VALIDATION", Table::Align::kRight},
               {"RATE", Table::Align::kRight},
               {"NORM", Table::Align::kRight},
               {"TOKENS/S", Table::Align::kRight}});
  const auto count = static_cast<int64_t>(points.size());
  rows = std::min(rows, count);
  for (int64_t row = 1; row <= rows; ++row) {
    const client::TrainingMetrics& point = points[row * count / rows - 1];
    table.AddRow({WholeNumber(point.step), WholeNumber(point.epochs_done),
                  WholeNumber(point.tokens), Perplexity(point.training_perplexity),
                  Perplexity(point.validation_perplexity), Shortest(point.learning_rate),
                  ShortNumber(point.gradient_norm), ShortNumber(point.tokens_per_second)});
  }
  table.Print(out);
}

void PlotCurve(const std::vector<client::TrainingMetrics>& points, int columns, std::ostream& out) {
  Range range;
  for (const client::TrainingMetrics& point : points) {
    range.Include(point.training_perplexity);
    if (point.validation_perplexity.has_value()) range.Include(*point.validation_perplexity);
  }
  const int width = std::clamp(columns - kScaleWidth - 2, kNarrowest, kWidest);
  std::vector<std::string> rows(kPlotRows, std::string(width, ' '));
  const int64_t first = points.front().step, last = points.back().step;
  bool validates = false;
  // The training text is drawn last, over the rest.
  for (const bool training : {false, true}) {
    for (const client::TrainingMetrics& point : points) {
      const double perplexity =
          training ? point.training_perplexity : point.validation_perplexity.value_or(std::nan(""));
      if (!std::isfinite(perplexity)) continue;
      validates = validates || !training;
      const int64_t column =
          last == first ? 0 : (point.step - first) * (width - 1) / (last - first);
      rows[range.RowOf(perplexity)][column] = training ? '*' : 'o';
    }
  }
  for (int row = 0; row < kPlotRows; ++row) {
    // Else a flat curve would have one number many times.
    const bool labelled = row == 0 || (range.high > range.low && row % 7 == 0);
    std::string line = absl::StrFormat(
        "%*s |%s", kScaleWidth - 1, labelled ? Perplexity(range.PerplexityOf(row)) : "", rows[row]);
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  }
  out << absl::StrFormat("%*s +%s\n", kScaleWidth - 1, "", std::string(width, '-'));
  const std::string from = WholeNumber(first), to = WholeNumber(last);
  out << absl::StrFormat("%*s%s%*s steps\n", kScaleWidth + 1, "", from,
                         std::max<int>(width - static_cast<int>(from.size()) - 6, 1 + to.size()),
                         to);
  out << "perplexity: * training" << (validates ? ", o validation" : "") << '\n';
}

}  // namespace derin::cli
