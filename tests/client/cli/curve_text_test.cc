#include "client/cli/curve_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"

namespace derin::cli {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Perplexities that fall from 100 by the factor 10 every 100 steps.
std::vector<client::TrainingMetrics> Points(int count) {
  std::vector<client::TrainingMetrics> points;
  for (int i = 1; i <= count; ++i) {
    client::TrainingMetrics point;
    point.step = 10 * i;
    point.epochs_done = i / 4;
    point.tokens = 1000 * i;
    point.training_perplexity = 100 * std::pow(10, -(i - 1) / 10.0);
    point.learning_rate = 0.5;
    point.gradient_norm = 1.25;
    point.tokens_per_second = 12'345;
    points.push_back(point);
  }
  return points;
}

std::vector<std::string> Lines(const std::string& text) { return absl::StrSplit(text, '\n'); }

std::string Plotted(const std::vector<client::TrainingMetrics>& points, int columns = 50) {
  std::ostringstream out;
  PlotCurve(points, columns, out);
  return out.str();
}

TEST(CurveText, ATableHasSoManyRowsEvenlySpreadAndTheLast) {
  std::ostringstream out;
  std::vector<client::TrainingMetrics> points = Points(20);
  points.back().validation_perplexity = 3.5;
  PrintCurve(points, 2, out);
  EXPECT_EQ(out.str(),
            "STEP  EPOCHS  TOKENS  PERPLEXITY  VALIDATION  RATE  NORM  TOKENS/S\n"
            " 100       2  10,000       12.59           -   0.5   1.2     12.3k\n"
            " 200       5  20,000        1.26        3.50   0.5   1.2     12.3k\n");
}

TEST(CurveText, AShortCurveHasARowForEachPoint) {
  std::ostringstream out;
  PrintCurve(Points(3), 20, out);
  EXPECT_EQ(Lines(out.str()).size(), 1u + 3 + 1);
}

TEST(CurveText, APlotFallsFromTheTopLeftToTheBottomRight) {
  const std::string text = Plotted(Points(21));
  const std::vector<std::string> lines = Lines(text);
  ASSERT_EQ(lines.size(), 15u + 3 + 1);
  EXPECT_THAT(lines[0], StartsWith(" 100.00 |*"));
  EXPECT_THAT(lines[7], StartsWith("  10.00 |"));
  EXPECT_THAT(lines[14], StartsWith("   1.00 |"));
  EXPECT_EQ(lines[14].size(), 9u + 40);
  EXPECT_THAT(lines[14], EndsWith("*"));
  EXPECT_THAT(lines[16], HasSubstr("210 steps"));
  EXPECT_EQ(lines[17], "perplexity: * training");
  for (const std::string& line : lines) EXPECT_LE(line.size(), 50u);
}

TEST(CurveText, APlotShowsWhatIsHeldOutBesideIt) {
  std::vector<client::TrainingMetrics> points = Points(21);
  for (auto& point : points) point.validation_perplexity = 100;
  const std::string text = Plotted(points);
  EXPECT_THAT(Lines(text)[0], EndsWith("o"));
  EXPECT_THAT(text, HasSubstr("o validation"));
}

TEST(CurveText, APlotHasRoomForAnyNumbers) {
  std::vector<client::TrainingMetrics> points = Points(1);
  EXPECT_THAT(Plotted(points), HasSubstr("*"));
  points = Points(2);
  points[0].training_perplexity = std::numeric_limits<double>::infinity();
  EXPECT_THAT(Plotted(points), Not(HasSubstr("inf")));
  EXPECT_THAT(Plotted(points, /*columns=*/1), HasSubstr("*"));
}

}  // namespace
}  // namespace derin::cli
