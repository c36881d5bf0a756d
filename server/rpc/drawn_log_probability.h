#pragma once

#include "absl/types/span.h"
#include "derin/v1/generation.pb.h"
#include "model/sampling/sampler.h"

namespace derin::server {

// `ranking` has the token itself first.
inline v1::DrawnLogProbability DrawnLogProbability(absl::Span<const TokenLogProbability> ranking) {
  v1::DrawnLogProbability drawn;
  drawn.set_log_probability(ranking.front().log_probability);
  for (const TokenLogProbability& one : ranking.subspan(1)) {
    if (one.token < 0) break;  // the vocabulary has no more
    v1::TokenLogProbability& top = *drawn.add_most_probable();
    top.set_token(one.token);
    top.set_log_probability(one.log_probability);
  }
  return drawn;
}

}  // namespace derin::server
