#include "server/status_page/perplexity_chart.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/status_page/readable_figures.h"

namespace derin::server {
namespace {

// More do not show on a screen, and each costs a dozen bytes.
constexpr size_t kMostPoints = 240;
constexpr double kLeftMargin = 46, kRightMargin = 12, kTopMargin = 8, kBottomMargin = 22;
constexpr double kInset = 3;  // without axes, so that lines are not cut

struct Place {
  double step = 0;
  double log = 0;  // of the perplexity
};

bool CanBeDrawn(double perplexity) { return std::isfinite(perplexity) && perplexity > 0; }

// At most kMostPoints, each the mean of neighbours: of a mean over steps, the loss is what adds up.
std::vector<Place> Training(absl::Span<const CurvePoint> curve) {
  const size_t share = (curve.size() + kMostPoints - 1) / kMostPoints;
  std::vector<Place> places;
  for (size_t begin = 0; begin < curve.size(); begin += share) {
    double sum = 0;
    int count = 0;
    int64_t step = 0;
    for (const CurvePoint& point : curve.subspan(begin, share)) {
      if (!CanBeDrawn(point.training)) continue;
      sum += std::log(point.training);
      step = point.step;
      ++count;
    }
    if (count > 0) places.push_back({static_cast<double>(step), sum / count});
  }
  return places;
}

// Each value where it was first known.
std::vector<Place> Validation(absl::Span<const CurvePoint> curve) {
  std::vector<Place> places;
  double last = 0;
  for (const CurvePoint& point : curve) {
    if (!point.validation.has_value() || !CanBeDrawn(*point.validation)) continue;
    if (*point.validation != last) {
      last = *point.validation;
      places.push_back({static_cast<double>(point.step), std::log(last)});
    }
  }
  if (places.size() <= kMostPoints) return places;
  const size_t share = (places.size() + kMostPoints - 1) / kMostPoints;
  std::vector<Place> few;
  for (size_t i = share - 1; i < places.size(); i += share) few.push_back(places[i]);
  return few;
}

class Chart {
 public:
  Chart(std::vector<Place> training, std::vector<Place> validation, const ChartSize& size)
      : training_(std::move(training)), validation_(std::move(validation)), size_(size) {
    left_ = size.axes ? kLeftMargin : kInset;
    right_ = size.width - (size.axes ? kRightMargin : kInset);
    top_ = size.axes ? kTopMargin : kInset;
    bottom_ = size.height - (size.axes ? kBottomMargin : kInset);
    low_ = high_ = training_[0].log;
    last_step_ = 1;
    for (const std::vector<Place>* places : {&training_, &validation_}) {
      for (const Place& place : *places) {
        low_ = std::min(low_, place.log);
        high_ = std::max(high_, place.log);
        last_step_ = std::max(last_step_, place.step);
      }
    }
    // A curve without height is drawn in the middle.
    const double spare = std::max(0.02 - (high_ - low_), 0.0) / 2;
    low_ -= spare;
    high_ += spare;
  }

  std::string Draw() const {
    std::string svg = absl::StrFormat(
        "<svg class=\"chart\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" "
        "aria-label=\"Perplexity from %s to %s\">",
        size_.width, size_.height, size_.width, size_.height,
        ReadablePerplexity(std::exp(training_.front().log)),
        ReadablePerplexity(std::exp(training_.back().log)));
    if (size_.axes) DrawAxes(svg);
    DrawLine(svg, "training", training_);
    DrawLine(svg, "validation", validation_);
    return svg + "</svg>";
  }

 private:
  double X(double step) const { return left_ + (right_ - left_) * step / last_step_; }
  double Y(double log) const { return bottom_ - (bottom_ - top_) * (log - low_) / (high_ - low_); }

  // Perplexities of one digit and zeros: as many kinds of digit as there is room for. Where there
  // is none of them, the least and the greatest.
  std::vector<double> Ticks() const {
    std::vector<double> ticks;
    for (const std::vector<int>& digits :
         {std::vector<int>{1}, {1, 2, 5}, {1, 2, 3, 4, 5, 6, 7, 8, 9}}) {
      std::vector<double> more;
      double decade = std::pow(10.0, std::floor(std::log10(std::exp(low_))));
      for (; std::log(decade) <= high_; decade *= 10) {
        for (const int digit : digits) {
          const double log = std::log(decade * digit);
          if (log >= low_ && log <= high_) more.push_back(decade * digit);
        }
      }
      if (more.size() > 7 && !ticks.empty()) break;
      ticks = std::move(more);
    }
    while (ticks.size() > 10) {
      std::vector<double> half;
      for (size_t i = 0; i < ticks.size(); i += 2) half.push_back(ticks[i]);
      ticks = std::move(half);
    }
    if (ticks.size() < 2) return {std::exp(low_), std::exp(high_)};
    return ticks;
  }

  void DrawAxes(std::string& svg) const {
    for (const double tick : Ticks()) {
      const double y = Y(std::log(tick));
      absl::StrAppendFormat(&svg,
                            "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>"
                            "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%.3g</text>",
                            left_, y, right_, left_ - 7, y + 4, tick);
    }
    const int64_t last = static_cast<int64_t>(last_step_);
    for (const int64_t step : {int64_t{0}, last / 2, last}) {
      absl::StrAppendFormat(&svg, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"%s\">%s%s</text>",
                            X(static_cast<double>(step)), size_.height - 4,
                            step == 0      ? "start"
                            : step == last ? "end"
                                           : "middle",
                            step == last ? "step " : "", ReadableCount(step));
    }
  }

  void DrawLine(std::string& svg, const char* name, const std::vector<Place>& places) const {
    if (places.empty()) return;
    absl::StrAppend(&svg, "<polyline class=\"", name, "\" points=\"");
    for (const Place& place : places) {
      absl::StrAppendFormat(&svg, "%.1f,%.1f ", X(place.step), Y(place.log));
    }
    svg.back() = '"';
    absl::StrAppendFormat(&svg, "/><circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\"/>", name,
                          X(places.back().step), Y(places.back().log), size_.axes ? "3.5" : "2");
  }

  const std::vector<Place> training_, validation_;
  const ChartSize size_;
  double left_, right_, top_, bottom_;
  double low_, high_, last_step_;
};

}  // namespace

std::string PerplexityChart(absl::Span<const CurvePoint> curve, const ChartSize& size) {
  std::vector<Place> training = Training(curve);
  if (training.size() < 2) return "";
  return Chart(std::move(training), Validation(curve), size).Draw();
}

}  // namespace derin::server
