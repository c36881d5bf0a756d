#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "model/backend/stack_layout.h"

namespace derin {

// Where each tensor of a model is in its one flat buffer: the stack's slices, then `head.weight`
// [V, H], unless the head is tied, and `head.bias` [V]. Gradients and optimiser moments have the
// same layout, so norm, update, save and compare are one loop each.
class ParameterLayout {
 public:
  explicit ParameterLayout(const StackConfig& config);

  const std::vector<Slice>& slices() const { return slices_; }
  int64_t count() const { return count_; }              // elements in all
  int64_t stack_count() const { return stack_count_; }  // of the stack's slices, which come first
  // The embedding's, where the head is tied.
  const Slice& head_weight() const { return slices_[slices_.size() - 2]; }
  const Slice& head_bias() const { return slices_.back(); }

 private:
  std::vector<Slice> slices_;
  int64_t stack_count_ = 0;
  int64_t count_ = 0;
};

// All parameters of a model, on the host.
struct Parameters {
  ParameterLayout layout;
  std::vector<float> values;  // layout.count()
};

// Every element uniform in +-1/sqrt(H), as PyTorch starts its recurrent layers, from Philox with
// purpose initialisation: element e of slice s is word e % 4 of counter {e / 4 lo, e / 4 hi, s}.
Parameters InitialParameters(const StackConfig& config, uint64_t seed);

// The forget gates of an LSTM begin with this bias in place of a drawn one: all of it in
// `rnn.bias_ih_l*`, and 0 in `rnn.bias_hh_l*`.
void SetForgetBias(const StackConfig& config, float bias, Parameters& parameters);

}  // namespace derin
