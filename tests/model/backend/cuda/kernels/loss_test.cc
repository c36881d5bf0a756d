#include "model/backend/cuda/kernels/loss.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "tests/model/backend/cuda/host_launch.h"

namespace derin::cuda {
namespace {

TEST(CountTargets, LeavesOutMinusOneAndFaults) {
  std::vector<int32_t> targets(600, 3);
  targets[7] = -1;
  targets[599] = 4;
  double counted = NAN;
  FaultWord fault = 0;
  RunOnHost(CountTargets{targets.data(), &counted, &fault, 600, 4});
  EXPECT_EQ(counted, 598);
  EXPECT_EQ(KindOfFault(fault), FaultKind::kTarget);
  EXPECT_EQ(ValueOfFault(fault), 4);
}

TEST(SoftmaxCrossEntropy, GivesLossAndGradientOfEachRow) {
  for (const int64_t V : {2, 28, 128, 1000}) {
    const int64_t rows = 3;
    std::vector<float> logits(rows * V);
    for (size_t i = 0; i < logits.size(); ++i) {
      logits[i] = 9 * std::sin(0.7f * static_cast<float>(i));
    }
    const std::vector<float> before = logits;
    const std::vector<int32_t> targets = {1, -1, 0};
    const double counted = 2;
    std::vector<double> losses(rows, NAN);
    RunOnHost(SoftmaxCrossEntropy{logits.data(), targets.data(), &counted, losses.data(), rows, V});
    EXPECT_EQ(losses[1], 0);
    for (int64_t row = 0; row < rows; ++row) {
      double sum = 0;
      for (int64_t v = 0; v < V; ++v) sum += std::exp(double{before[row * V + v]});
      if (row != 1) {
        EXPECT_NEAR(losses[row], std::log(sum) - double{before[row * V + targets[row]]}, 1e-6);
      }
      for (int64_t v = 0; v < V; ++v) {
        const double p = std::exp(double{before[row * V + v]}) / sum;
        const double wanted = row == 1 ? 0 : (p - (v == targets[row])) / counted;
        EXPECT_NEAR(logits[row * V + v], wanted, 1e-6) << "row " << row << " of " << V;
      }
    }
  }
}

}  // namespace
}  // namespace derin::cuda
