#pragma once

#include <cstdint>
#include <ostream>
#include <vector>

#include "derin/client/training.h"

// A job's curve as people read it. `points` are at least one, by step.
namespace derin::cli {

// A table of at most `rows` of them, evenly spread, the last one among them.
void PrintCurve(const std::vector<client::TrainingMetrics>& points, int64_t rows,
                std::ostream& out);

// A drawing of perplexity over steps, `columns` wide at most, on a logarithmic scale: `*` for the
// training text, `o` for what is held out.
void PlotCurve(const std::vector<client::TrainingMetrics>& points, int columns, std::ostream& out);

}  // namespace derin::cli
