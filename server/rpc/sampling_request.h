#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "derin/v1/generation.pb.h"
#include "model/sampling/sampler.h"
#include "server/generation/logit_adjustments.h"

namespace derin::server {

// How a request wants its tokens drawn, checked field by field, into `settings` and `rules`.
// INVALID_ARGUMENT names the field and its bounds, or both fields that make no sense together.
absl::Status ParseSampling(const v1::SamplingSettings& sampling, SamplingSettings& settings,
                           TokenRules& rules);

// What only a vocabulary of `vocabulary_size` tokens tells: INVALID_ARGUMENT names the field that
// lists a token outside of it, or that leaves none to be drawn.
absl::Status CheckTokenRules(const TokenRules& rules, bool allow_unknown, int32_t vocabulary_size);

// The same of one list of tokens, from `field` of a request.
absl::Status CheckTokens(absl::Span<const int32_t> tokens, int32_t vocabulary_size,
                         std::string_view field);

}  // namespace derin::server
