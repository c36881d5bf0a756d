#include "model/backend/cuda/kernels/sums.h"

#include <cmath>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"
#include "model/backend/cuda/kernels/update.h"
#include "tests/model/backend/cuda/host_launch.h"

namespace derin::cuda {
namespace {

TEST(Sums, OfSquaresAreThoseOfEveryElement) {
  for (const int64_t count : {1, 255, 1024, 1025, 5000}) {
    std::vector<float> values(count);
    double wanted = 0;
    for (int64_t i = 0; i < count; ++i) {
      values[i] = static_cast<float>(i % 7) - 2.5f;
      wanted += double{values[i]} * double{values[i]};
    }
    SquaresOfChunks squares{.values = values.data(), .count = count};
    std::vector<double> sums(squares.blocks(), NAN);
    squares.sums = sums.data();
    RunOnHost(squares);
    double sum = NAN;
    RunOnHost(SumOfDoubles{sums.data(), &sum, static_cast<int64_t>(sums.size())});
    EXPECT_EQ(sum, wanted) << count;
  }
}

TEST(Sums, OfColumnsAreThoseOfEveryRow) {
  const int64_t rows = 71, columns = 35;
  std::vector<float> values(rows * columns);
  std::iota(values.begin(), values.end(), 1.0f);
  std::vector<float> sums(columns, NAN), again(columns, NAN);
  RunOnHost(ColumnSums{values.data(), sums.data(), again.data(), rows, columns});
  for (int64_t column = 0; column < columns; ++column) {
    float wanted = 0;
    for (int64_t row = 0; row < rows; ++row) wanted += values[row * columns + column];
    EXPECT_EQ(sums[column], wanted);
    EXPECT_EQ(again[column], wanted);
  }
}

TEST(Update, IsTheArithmeticOfTheOptimizers) {
  const OptimizerConfig config{.kind = OptimizerKind::kAdam, .clip = 0.5};
  const double rate = 0.01, norm2 = 4;
  int64_t step = 2;
  UpdateFactors<float> factors;
  RunOnHost(PrepareUpdate{config, &rate, &norm2, &step, &factors});
  EXPECT_EQ(step, 3);
  const auto wanted_factors = MakeUpdateFactors<float>(config, rate, norm2, 3);
  EXPECT_EQ(factors.clip, wanted_factors.clip);
  EXPECT_EQ(factors.correction2, wanted_factors.correction2);

  std::vector<float> weights = {1, -2}, moment1 = {0.1f, 0.2f}, moment2 = {0.3f, 0.4f};
  const std::vector<float> gradients = {0.5f, -1.5f}, before = weights;
  std::vector<float> wanted1 = moment1, wanted2 = moment2;
  RunOnHost(
      UpdateByAdam{weights.data(), gradients.data(), moment1.data(), moment2.data(), &factors, 2});
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(weights[i], AdamUpdate(before[i], gradients[i], wanted1[i], wanted2[i], factors));
    EXPECT_EQ(moment1[i], wanted1[i]);
    EXPECT_EQ(moment2[i], wanted2[i]);
  }
  weights = before;
  RunOnHost(UpdateBySgd{weights.data(), gradients.data(), &factors, 2});
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(weights[i], SgdUpdate(before[i], gradients[i], factors));
  }
}

}  // namespace
}  // namespace derin::cuda
