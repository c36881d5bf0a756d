#pragma once

#include <cmath>
#include <cstdint>

namespace derin {

// Cross-entropy over a number of target tokens.
struct LossTotal {
  double nats = 0;  // in all
  int64_t tokens = 0;

  // Nats per token; 0 over no tokens.
  double Mean() const { return tokens == 0 ? 0 : nats / static_cast<double>(tokens); }
  double Perplexity() const { return std::exp(Mean()); }
};

}  // namespace derin
