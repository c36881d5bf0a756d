#pragma once

#include <cstdint>
#include <limits>

#include "absl/types/span.h"

namespace derin {

// How a token is drawn from logits. In this order: penalties, bias, allowed and banned tokens,
// temperature, top-k, typical, top-p, min-p, draw.
struct SamplingSettings {
  // The logit of a recent token is divided by it when positive, else multiplied, above 0; 1: none.
  // Source: Keskar et al., "CTRL", 2019, section 4.1, and for logits below 0 its usual reading.
  float repetition_penalty = 1;
  // Subtracted from the logit of a recent token: the first once, the second for each time that the
  // token is there. Source: the definition of the OpenAI API.
  float presence_penalty = 0;
  float frequency_penalty = 0;
  // Divides the logits, in [0, 100]; 0 takes the most probable token always (ties: the lowest id).
  float temperature = 1;
  // Keep the k most probable tokens (ties: the lowest ids first); 0: all.
  int32_t top_k = 0;
  // Keep the smallest set of tokens (ties: the lowest ids first) whose information, -log p, is
  // nearest to its mean over all kept so far, the entropy, and whose probabilities add up to this
  // share, in (0, 1]; 1: all. Source: Meister et al., "Locally Typical Sampling", 2023.
  float typical_p = 1;
  // Keep the smallest set of most probable tokens (ties: the lowest ids first) whose probabilities,
  // among those kept so far, add up to p, in (0, 1]. Source: Holtzman et al., "The Curious Case of
  // Neural Text Degeneration", 2020.
  float top_p = 1;
  // Keep the tokens at least this share, in [0, 1], as probable as the most probable one kept so
  // far; 0: all. Source: Nguyen et al., "Turning Up the Heat: Min-p Sampling", 2024.
  float min_p = 0;
  // Whether token 0, `<unk>`, may be drawn.
  bool allow_unknown = false;
};

// What is done to one token's logit before anything else; plain data, as a device reads it.
struct LogitAdjustment {
  int32_t token = 0;
  int32_t count = 0;  // how often it is among the recent tokens: what the penalties ask
  float bias = 0;     // added; kBanned: the token is not drawn
};

inline constexpr float kBanned = -std::numeric_limits<float>::infinity();

// Adjustments that a row may have.
inline constexpr int32_t kMostAdjustments = 4096;

// One row's draw; plain data, as a device reads it.
struct SampleRow {
  SamplingSettings settings;
  uint64_t seed = 0;
  uint32_t stream = 0;
  // Tokens absorbed before the drawn one: the draw's number.
  int64_t position = 0;
  // When not negative, this is the row's token and nothing is drawn: a prompt.
  int32_t forced_token = -1;
  // Its part of all rows' adjustments, with no token twice.
  int32_t first_adjustment = 0;
  int32_t adjustment_count = 0;
  // Tokens without an adjustment are not drawn.
  bool only_adjusted = false;
  // How many of the most probable tokens are ranked beside the row's own; -1: none, nor that.
  int32_t ranked = -1;
};

// A token and ln p, p the softmax of the model's own logits: before anything that sampling does.
struct TokenLogProbability {
  int32_t token = -1;
  float log_probability = 0;
};

// Most probable tokens that a row may have ranked, and what a row's ranking takes: its own token
// first.
inline constexpr int32_t kMostRanked = 20;
inline constexpr int32_t kRankingSize = 1 + kMostRanked;

// The token that `row` draws from `logits` [V], V at least 2, of which it may draw at least one;
// `adjustments` are those of all rows, `scratch` is [2 V]. Infinite or NaN logits count as
// -infinity; when all do, the lowest id that may be drawn. The drawn token is the first id whose
// cumulative probability exceeds u times the total, u from Philox, purpose sampling.
int32_t SampleToken(const SampleRow& row, absl::Span<const LogitAdjustment> adjustments,
                    absl::Span<const float> logits, absl::Span<float> scratch);

}  // namespace derin
