#include "model/backend/stack_layout.h"

#include <utility>

#include "absl/strings/str_format.h"

namespace derin {

std::vector<Slice> StackSlices(const StackConfig& config) {
  const int64_t rows = int64_t{GateCount(config.cell)} * config.hidden;
  std::vector<Slice> slices;
  int64_t offset = 0;
  const auto add = [&](const char* tensor, int layer, std::vector<int64_t> shape) {
    int64_t count = 1;
    for (const int64_t dimension : shape) count *= dimension;
    slices.push_back(
        {absl::StrFormat("rnn.%s_l%d", tensor, layer), std::move(shape), offset, count});
    offset += count;
  };
  for (int layer = 0; layer < config.layers; ++layer) {
    add("weight_ih", layer, {rows, layer == 0 ? config.vocabulary : config.hidden});
    add("weight_hh", layer, {rows, config.hidden});
    add("bias_ih", layer, {rows});
    add("bias_hh", layer, {rows});
  }
  return slices;
}

}  // namespace derin
