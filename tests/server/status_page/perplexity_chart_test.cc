#include "server/status_page/perplexity_chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::Not;
using ::testing::SizeIs;

struct Corner {
  double x = 0, y = 0;
};

// The corners of the line of this class.
std::vector<Corner> Line(const std::string& svg, const std::string& name) {
  const std::string begin = "<polyline class=\"" + name + "\" points=\"";
  const size_t from = svg.find(begin);
  if (from == std::string::npos) return {};
  const size_t at = from + begin.size();
  std::vector<Corner> corners;
  for (absl::string_view pair : absl::StrSplit(svg.substr(at, svg.find('"', at) - at), ' ')) {
    const std::vector<std::string> numbers = absl::StrSplit(pair, ',');
    Corner corner;
    EXPECT_TRUE(absl::SimpleAtod(numbers.at(0), &corner.x)) << pair;
    EXPECT_TRUE(absl::SimpleAtod(numbers.at(1), &corner.y)) << pair;
    corners.push_back(corner);
  }
  return corners;
}

TEST(PerplexityChart, DrawsOnALogarithmicScale) {
  const std::vector<CurvePoint> curve = {{0, 16, {}}, {50, 4, {}}, {100, 1, {}}};
  const std::vector<Corner> line =
      Line(PerplexityChart(curve, {.width = 206, .height = 106, .axes = false}), "training");
  ASSERT_THAT(line, SizeIs(3));
  EXPECT_EQ(line[0].x, 3);
  EXPECT_EQ(line[0].y, 3);
  EXPECT_EQ(line[1].x, 103);
  EXPECT_EQ(line[1].y, 53);
  EXPECT_EQ(line[2].x, 203);
  EXPECT_EQ(line[2].y, 103);
}

TEST(PerplexityChart, DrawsHeldOutTextAsALineOfItsOwn) {
  const std::vector<CurvePoint> curve = {{10, 20, {}}, {20, 10, 12.0}, {30, 8, 12.0}, {40, 5, 9.0}};
  const std::string svg = PerplexityChart(curve, {.width = 300, .height = 100});
  EXPECT_THAT(Line(svg, "training"), SizeIs(4));
  EXPECT_THAT(Line(svg, "validation"), SizeIs(2));
  EXPECT_THAT(svg, AllOf(HasSubstr(">10</text>"), HasSubstr(">step 40</text>")));
}

// The numbers on the axis of perplexity, from the least.
std::vector<std::string> Ticks(double least, double most) {
  const std::vector<CurvePoint> curve = {{1, most, {}}, {2, least, {}}};
  const std::string svg = PerplexityChart(curve, {.width = 300, .height = 200});
  std::vector<std::string> ticks;
  for (absl::string_view text : absl::StrSplit(svg, "text-anchor=\"end\">")) {
    if (text.find("<svg") == text.npos && text.find("step") != 0) {
      ticks.emplace_back(text.substr(0, text.find('<')));
    }
  }
  return ticks;
}

TEST(PerplexityChart, HasRoundNumbersOnItsAxisHoweverWideTheRange) {
  EXPECT_THAT(Ticks(1.04, 58), ElementsAre("2", "5", "10", "20", "50"));
  EXPECT_THAT(Ticks(19, 56), ElementsAre("20", "30", "40", "50"));
  EXPECT_THAT(Ticks(1.5, 9e8), SizeIs(8));
  EXPECT_THAT(Ticks(2, 1e200), SizeIs(Le(10u)));
  EXPECT_THAT(Ticks(1.21, 1.39), ElementsAre("1.21", "1.39"));
}

TEST(PerplexityChart, IsNothingWhileThereIsNoLine) {
  EXPECT_EQ(PerplexityChart({}, {.width = 300, .height = 100}), "");
  const std::vector<CurvePoint> one = {{1, 20, {}}};
  EXPECT_EQ(PerplexityChart(one, {.width = 300, .height = 100}), "");
}

TEST(PerplexityChart, LeavesOutWhatHasNoPlace) {
  const double infinite = std::numeric_limits<double>::infinity();
  const std::vector<CurvePoint> curve = {
      {1, 20, {}}, {2, infinite, {}}, {3, 0, infinite}, {4, 5, {}}};
  const std::string svg = PerplexityChart(curve, {.width = 300, .height = 100});
  EXPECT_THAT(Line(svg, "training"), SizeIs(2));
  EXPECT_THAT(svg, AllOf(Not(HasSubstr("inf")), Not(HasSubstr("nan"))));
}

TEST(PerplexityChart, AFlatCurveHasAPlace) {
  const std::vector<CurvePoint> curve = {{1, 5, {}}, {2, 5, {}}};
  const std::string svg = PerplexityChart(curve, {.width = 300, .height = 106, .axes = false});
  const std::vector<Corner> line = Line(svg, "training");
  ASSERT_THAT(line, SizeIs(2));
  EXPECT_EQ(line[0].y, 53);
}

TEST(PerplexityChart, StaysSmallAndWithinItsAreaHoweverLongTheTraining) {
  std::vector<CurvePoint> curve;
  for (int i = 1; i <= 1001; ++i) curve.push_back({i * 64, 1 + 60.0 / i, 1 + 70.0 / i});
  const std::string svg = PerplexityChart(curve, {.width = 300, .height = 100});
  EXPECT_LT(svg.size(), 8000u);
  for (const char* name : {"training", "validation"}) {
    const std::vector<Corner> line = Line(svg, name);
    EXPECT_THAT(line, SizeIs(AllOf(Ge(150u), Le(240u)))) << name;
    EXPECT_THAT(line, Each(AllOf(testing::Field(&Corner::x, AllOf(Ge(0), Le(300))),
                                 testing::Field(&Corner::y, AllOf(Ge(0), Le(100))))));
  }
}

}  // namespace
}  // namespace derin::server
