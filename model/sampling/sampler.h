#pragma once

#include <cstdint>

#include "absl/types/span.h"

namespace derin {

// How a token is drawn from logits. In this order: temperature, top-k, top-p, draw.
struct SamplingSettings {
  // Divides the logits, in [0, 100]; 0 takes the most probable token always (ties: the lowest id).
  float temperature = 1;
  // Keep the k most probable tokens (ties: the lowest ids first); 0: all.
  int32_t top_k = 0;
  // Keep the smallest set of most probable tokens (ties: the lowest ids first) whose probabilities,
  // among those kept so far, add up to p, in (0, 1]. Source: Holtzman et al., "The Curious Case of
  // Neural Text Degeneration", 2020.
  float top_p = 1;
  // Whether token 0, `<unk>`, may be drawn.
  bool allow_unknown = false;
};

// One row's draw; plain data, as a device reads it.
struct SampleRow {
  SamplingSettings settings;
  uint64_t seed = 0;
  uint32_t stream = 0;
  // Tokens absorbed before the drawn one: the draw's number.
  int64_t position = 0;
  // When not negative, this is the row's token and nothing is drawn: a prompt.
  int32_t forced_token = -1;
};

// The token that `row` draws from `logits` [V], V at least 2; `probabilities` [V] is scratch.
// Infinite or NaN logits count as -infinity; when all do, the lowest allowed id. The drawn token is
// the first id whose cumulative probability exceeds u times the total, u from Philox, purpose
// sampling.
int32_t SampleToken(const SampleRow& row, absl::Span<const float> logits,
                    absl::Span<float> probabilities);

}  // namespace derin
