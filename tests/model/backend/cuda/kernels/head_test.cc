#include "model/backend/cuda/kernels/head.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "model/sampling/philox.h"
#include "tests/model/backend/cuda/host_launch.h"

namespace derin::cuda {
namespace {

std::vector<float> Random(size_t count, uint64_t seed) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    values[i] =
        UnitUniform(Philox4x32(RandomPurpose::kSampling, uint32_t(i), 0, 0, seed).word[0]) - 0.5f;
  }
  return values;
}

TEST(RowLogits, HasFourAccumulatorsWithKAscending) {
  struct Size {
    int64_t rows, vocabulary, hidden;
  };
  for (const auto& [rows, V, H] :
       {Size{1, 2, 1}, Size{9, 33, 260}, Size{17, 28, 257}, Size{8, 32, 256}, Size{3, 70, 7}}) {
    const auto top = Random(rows * H, 1), weight = Random(V * H, 2), bias = Random(V, 3);
    std::vector<float> logits(rows * V, NAN);
    RunOnHost(RowLogits{top.data(), weight.data(), bias.data(), logits.data(), rows, V, H});
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t v = 0; v < V; ++v) {
        float sum[4] = {bias[v]};
        for (int64_t k = 0; k < H; ++k) {
          sum[k % 4] = std::fma(top[row * H + k], weight[v * H + k], sum[k % 4]);
        }
        ASSERT_EQ(logits[row * V + v], (sum[0] + sum[1]) + (sum[2] + sum[3])) << row << ' ' << v;
      }
    }
  }
}

}  // namespace
}  // namespace derin::cuda
