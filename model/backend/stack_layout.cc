#include "model/backend/stack_layout.h"

#include <utility>

#include "absl/strings/str_format.h"

namespace derin {

std::vector<Slice> StackSlices(const StackConfig& config) {
  const int64_t rows = int64_t{GateCount(config.cell)} * config.hidden;
  std::vector<Slice> slices;
  int64_t offset = 0;
  const auto add_named = [&](std::string name, std::vector<int64_t> shape) {
    int64_t count = 1;
    for (const int64_t dimension : shape) count *= dimension;
    slices.push_back({std::move(name), std::move(shape), offset, count});
    offset += count;
  };
  const auto add = [&](const char* tensor, int layer, std::vector<int64_t> shape) {
    add_named(absl::StrFormat("rnn.%s_l%d", tensor, layer), std::move(shape));
  };
  const int first = config.embedding > 0 ? config.embedding : config.vocabulary;
  for (int layer = 0; layer < config.layers; ++layer) {
    add("weight_ih", layer, {rows, layer == 0 ? first : config.hidden});
    add("weight_hh", layer, {rows, config.hidden});
    add("bias_ih", layer, {rows});
    add("bias_hh", layer, {rows});
  }
  if (config.embedding > 0) {
    add_named("embedding.weight", {config.vocabulary, config.embedding});
  }
  return slices;
}

}  // namespace derin
