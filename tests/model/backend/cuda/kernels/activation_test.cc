#include "model/backend/cuda/kernels/activation.h"

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "model/backend/cpu/kernels.h"

namespace derin::cuda {
namespace {

// Numbers of every size and both signs, and what is none.
std::vector<float> Everything() {
  std::vector<float> values = {0, -0.0f, std::numeric_limits<float>::infinity(),
                               -std::numeric_limits<float>::infinity()};
  for (uint32_t bits = 0x00800000; bits < 0x7f800000; bits += 40009) {
    values.push_back(std::bit_cast<float>(bits));
    values.push_back(-values.back());
  }
  for (int i = -50'000; i <= 50'000; ++i) values.push_back(static_cast<float>(i) * 0.002f);
  return values;
}

// That `mine` gives the bits of the cpu backend's `theirs`.
void ExpectCpuBits(float (*mine)(float), void (*theirs)(const float*, float*, int64_t)) {
  const std::vector<float> x = Everything();
  std::vector<float> wanted(x.size());
  theirs(x.data(), wanted.data(), static_cast<int64_t>(x.size()));
  for (size_t i = 0; i < x.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(mine(x[i])), std::bit_cast<uint32_t>(wanted[i])) << x[i];
  }
  EXPECT_TRUE(std::isnan(mine(std::nanf(""))));
}

TEST(Activation, HasTheBitsOfTheCpuBackend) {
  const cpu::Kernels& kernels = cpu::KernelsFor(cpu::InstructionSet::kAvx2);
  ExpectCpuBits(ClampedExp, kernels.exp);
  ExpectCpuBits(Sigmoid, kernels.sigmoid);
  ExpectCpuBits(Tanh, kernels.tanh);
}

TEST(Activation, LogIsExact) {
  for (double x = 1e-300; x < 1e300; x *= 1.0173) {
    ASSERT_NEAR(Log(x) / std::log(x), 1, 1e-15) << x;
  }
  for (double x = 0.5; x < 2; x += 1.7e-4) {
    ASSERT_NEAR(Log(x), std::log(x), std::max(1e-16, 1e-15 * std::abs(std::log(x)))) << x;
  }
  EXPECT_EQ(Log(1), 0);
}

}  // namespace
}  // namespace derin::cuda
