#pragma once

#include <string>

#include "absl/types/span.h"
#include "server/status_page/status_figures.h"

namespace derin::server {

struct ChartSize {
  int width = 0, height = 0;
  bool axes = true;  // without them the curves fill the area
};

// The perplexities of `curve` over its steps as an inline SVG image, perplexity on a logarithmic
// axis. Of many points, neighbours become one. Colours come from the page's style: the classes
// `training`, `validation` and `grid`. Empty when there are fewer than two points to join.
std::string PerplexityChart(absl::Span<const CurvePoint> curve, const ChartSize& size);

}  // namespace derin::server
