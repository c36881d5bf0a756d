#include "model/sampling/sampler.h"

#include "model/check.h"
#include "model/sampling/sampler_arithmetic.h"

namespace derin {

int32_t SampleToken(const SampleRow& row, absl::Span<const float> logits,
                    absl::Span<float> probabilities) {
  DERIN_CHECK(logits.size() >= 2 && probabilities.size() == logits.size());
  return SampleRowToken(row, logits.data(), static_cast<int32_t>(logits.size()),
                        probabilities.data());
}

}  // namespace derin
