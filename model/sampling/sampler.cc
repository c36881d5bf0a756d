#include "model/sampling/sampler.h"

#include "model/check.h"
#include "model/sampling/sampler_arithmetic.h"

namespace derin {

int32_t SampleToken(const SampleRow& row, absl::Span<const LogitAdjustment> adjustments,
                    absl::Span<const float> logits, absl::Span<float> scratch) {
  DERIN_CHECK(logits.size() >= 2 && scratch.size() == 2 * logits.size());
  return SampleRowToken(row, 0, adjustments.data(), logits.data(),
                        static_cast<int32_t>(logits.size()), scratch.data());
}

}  // namespace derin
