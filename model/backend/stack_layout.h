#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/backend/stack_config.h"

namespace derin {

// A named tensor's place in a flat buffer.
struct Slice {
  std::string name;
  std::vector<int64_t> shape;  // row-major
  int64_t offset = 0;          // elements
  int64_t count = 0;           // the product of `shape`
};

// The stack's part of a model's flat parameter buffer, in the order and with the names and shapes
// of PyTorch's nn.LSTM, nn.GRU and nn.RNN: for each layer l `rnn.weight_ih_l{l}` [G*H, in],
// `rnn.weight_hh_l{l}` [G*H, H], `rnn.bias_ih_l{l}` [G*H], `rnn.bias_hh_l{l}` [G*H], with in = V
// for layer 0, else H. With an embedding, in = E for layer 0, and `embedding.weight` [V, E] comes
// last. Slices touch each other; the first starts at 0.
std::vector<Slice> StackSlices(const StackConfig& config);

// Index in StackSlices of the tensors of layer `layer`.
struct LayerSlices {
  explicit constexpr LayerSlices(int layer)
      : weight_ih(4 * layer),
        weight_hh(weight_ih + 1),
        bias_ih(weight_ih + 2),
        bias_hh(weight_ih + 3) {}
  int weight_ih, weight_hh, bias_ih, bias_hh;
};

}  // namespace derin
