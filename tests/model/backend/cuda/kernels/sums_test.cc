#include "model/backend/cuda/kernels/sums.h"

#include <cmath>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"
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

}  // namespace
}  // namespace derin::cuda
