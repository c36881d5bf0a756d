// exp, tanh and the logistic function, as the cells use them.

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/model/backend/cpu/kernels_test.h"
#include "tests/model/backend/cpu/random_values.h"

namespace derin::cpu {
namespace {

using ActivationTest = KernelsTest;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

using Function = void (*)(const float*, float*, int64_t);

// Positive and negative numbers of every size up to `highest`, denormal ones left out, and zeros.
std::vector<float> AllSizes(float highest) {
  std::vector<float> values = {0.0f, -0.0f};
  const auto last = std::bit_cast<uint32_t>(highest);
  for (uint32_t bits = 0x00800000; bits <= last; bits += 5003) {
    values.push_back(std::bit_cast<float>(bits));
    values.push_back(-values.back());
  }
  // Most of those are tiny.
  for (int i = 0; i <= 200'000; ++i) {
    values.push_back(highest * (static_cast<float>(i) * 1e-5f - 1));
  }
  return values;
}

std::vector<float> Apply(Function function, const std::vector<float>& x) {
  std::vector<float> y(x.size(), kNan);
  function(x.data(), y.data(), static_cast<int64_t>(x.size()));
  return y;
}

// The largest relative error against `exact`.
template <class Exact>
double LargestError(Function function, const std::vector<float>& x, const Exact& exact) {
  const std::vector<float> y = Apply(function, x);
  double largest = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double wanted = exact(static_cast<double>(x[i]));
    const double error = wanted == 0 ? std::abs(y[i]) : std::abs(y[i] / wanted - 1);
    if (!(error <= largest)) largest = error;
    if (!(error < 1e-6)) {
      ADD_FAILURE() << "at " << x[i] << " got " << y[i] << ", wanted " << wanted;
      break;
    }
  }
  return largest;
}

TEST_P(ActivationTest, ExpIsExactToAMillionth) {
  EXPECT_LT(LargestError(kernels_.exp, AllSizes(87), [](double x) { return std::exp(x); }), 1e-6);
}

TEST_P(ActivationTest, SigmoidIsExactToAMillionth) {
  EXPECT_LT(
      LargestError(kernels_.sigmoid, AllSizes(87), [](double x) { return 1 / (1 + std::exp(-x)); }),
      1e-6);
}

TEST_P(ActivationTest, TanhIsExactToAMillionthHoweverSmall) {
  for (const float highest : {1.0f, 20.0f, 1e30f}) {
    EXPECT_LT(LargestError(kernels_.tanh, AllSizes(highest), [](double x) { return std::tanh(x); }),
              1e-6);
  }
}

TEST_P(ActivationTest, FunctionsOfNumbersThatAreTooLargeAreTheirLimits) {
  const std::vector<float> x = {88, 1e4f, 3e38f, kInfinity, -88, -1e4f, -3e38f, -kInfinity};
  for (const float tanh : Apply(kernels_.tanh, {x.begin(), x.begin() + 4})) EXPECT_EQ(tanh, 1);
  for (const float tanh : Apply(kernels_.tanh, {x.begin() + 4, x.end()})) EXPECT_EQ(tanh, -1);
  for (const float sigmoid : Apply(kernels_.sigmoid, {x.begin(), x.begin() + 4})) {
    EXPECT_EQ(sigmoid, 1);
  }
  for (const float sigmoid : Apply(kernels_.sigmoid, {x.begin() + 4, x.end()})) {
    EXPECT_GE(sigmoid, 0);
    EXPECT_LT(sigmoid, 2e-38f);
  }
  // Finite, so that a sum of them is.
  for (const float exp : Apply(kernels_.exp, {x.begin(), x.begin() + 4})) {
    EXPECT_NEAR(exp / std::exp(87.0), 1, 1e-6);
  }
  for (const float exp : Apply(kernels_.exp, {x.begin() + 4, x.end()})) {
    EXPECT_NEAR(exp / std::exp(-87.0), 1, 1e-6);
  }
}

TEST_P(ActivationTest, FunctionsOfNanAreNan) {
  // A number beside each, and a length that no register has.
  const std::vector<float> x = {kNan, 1, -kNan, 2, kNan};
  for (const Function function : {kernels_.exp, kernels_.tanh, kernels_.sigmoid}) {
    const std::vector<float> y = Apply(function, x);
    for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(std::isnan(y[i]), i % 2 == 0) << i;
  }
}

TEST_P(ActivationTest, FunctionsHaveTheBitsOfAvx2) {
  std::vector<float> x = AllSizes(100);
  x.insert(x.end(), {kNan, kInfinity, -kInfinity, 1e-45f, -1e-45f, 3e38f, -3e38f});
  EXPECT_THAT(Apply(kernels_.exp, x), HasTheBitsOf(Apply(avx2_.exp, x)));
  EXPECT_THAT(Apply(kernels_.tanh, x), HasTheBitsOf(Apply(avx2_.tanh, x)));
  EXPECT_THAT(Apply(kernels_.sigmoid, x), HasTheBitsOf(Apply(avx2_.sigmoid, x)));
}

TEST_P(ActivationTest, FunctionsWriteNothingBeyondTheEnd) {
  std::mt19937 random(1);
  const std::vector<float> x = RandomFloats(50, random, -3, 3);
  for (int count = 0; count <= 40; ++count) {
    std::vector<float> y(50, 7), wanted(50, 7);
    kernels_.tanh(x.data(), y.data(), count);
    for (int i = 0; i < count; ++i) kernels_.tanh(&x[i], &wanted[i], 1);
    EXPECT_THAT(y, HasTheBitsOf(wanted));
  }
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, ActivationTest,
                         testing::ValuesIn(SupportedInstructionSets()), InstructionSetOf);

}  // namespace
}  // namespace derin::cpu
