#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "model/sampling/sampler.h"
#include "server/generation/recent_tokens.h"

namespace derin::server {

// Tokens, by their ids, that a call treats apart from the others; ids are below the vocabulary's
// size, no token is listed twice, and of the allowed and the banned ones only one list is not
// empty.
struct TokenRules {
  std::vector<std::pair<int32_t, float>> bias;
  std::vector<int32_t> allowed;  // empty: all
  std::vector<int32_t> banned;
  // How many of the last tokens the penalties look at, at most RecentTokens::kCapacity; 0 when
  // there are no penalties.
  int penalty_window = 0;

  bool empty() const {
    return bias.empty() && allowed.empty() && banned.empty() && penalty_window == 0;
  }
};

// What the draws of one call do to single logits, as the sampler wants it. One thread.
class LogitAdjustments {
 public:
  LogitAdjustments(const TokenRules& rules, int32_t vocabulary_size);

  // Tokens without an adjustment are not drawn.
  bool only_adjusted() const { return only_adjusted_; }

  // Of the draw after `last`, before which `recent` were absorbed; valid until the next call.
  absl::Span<const LogitAdjustment> Next(const RecentTokens& recent, int32_t last);

 private:
  LogitAdjustment& Of(int32_t token);

  const int penalty_window_;
  const bool only_adjusted_;
  std::vector<LogitAdjustment> all_;  // first those that the rules name, then recent tokens
  size_t named_ = 0;
  std::vector<int32_t> place_;  // in all_, by token; -1: none
};

}  // namespace derin::server
