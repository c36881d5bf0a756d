#include "model/network/parameters.h"

#include <algorithm>
#include <cmath>

#include "model/check.h"
#include "model/sampling/philox.h"

namespace derin {

ParameterLayout::ParameterLayout(const StackConfig& config) : slices_(StackSlices(config)) {
  stack_count_ = slices_.back().offset + slices_.back().count;
  const int64_t V = config.vocabulary, H = config.hidden;
  count_ = stack_count_;
  if (!config.tied_head) {
    slices_.push_back({"head.weight", {V, H}, count_, V * H});
    count_ += V * H;
  }
  slices_.push_back({"head.bias", {V}, count_, V});
  count_ += V;
}

Parameters InitialParameters(const StackConfig& config, uint64_t seed) {
  Parameters parameters{ParameterLayout(config), {}};
  parameters.values.resize(parameters.layout.count());
  const float bound = 1 / std::sqrt(static_cast<float>(config.hidden));
  uint32_t number = 0;
  for (const Slice& slice : parameters.layout.slices()) {
    float* value = &parameters.values[slice.offset];
    for (int64_t element = 0; element < slice.count; ++element) {
      const uint64_t block = static_cast<uint64_t>(element) / 4;
      const PhiloxBlock random =
          Philox4x32(RandomPurpose::kInitialization, static_cast<uint32_t>(block),
                     static_cast<uint32_t>(block >> 32), number, seed);
      value[element] = (2 * UnitUniform(random.word[element % 4]) - 1) * bound;
    }
    ++number;
  }
  return parameters;
}

void SetForgetBias(const StackConfig& config, float bias, Parameters& parameters) {
  DERIN_CHECK(config.cell == Cell::kLstm);
  for (const Slice& slice : parameters.layout.slices()) {
    const bool input = slice.name.starts_with("rnn.bias_ih_l");
    if (!input && !slice.name.starts_with("rnn.bias_hh_l")) continue;
    // The gates are i, f, g, o.
    const auto begin = parameters.values.begin() + slice.offset + config.hidden;
    std::fill(begin, begin + config.hidden, input ? bias : 0.0f);
  }
}

}  // namespace derin
