// Random stacks against the reference, other ones each time. Once it fails, its seed goes to
// stack_parity_test.cc with what it found.

#include <iostream>
#include <random>

#include "tests/model/backend/cpu/random_stack.h"

namespace derin::cpu {
namespace {

TEST(StackParity, GradientsOfFreshRandomStacksAreTheReferencesTensorByTensor) {
  const uint32_t seed = std::random_device()();
  std::cout << "seed " << seed << std::endl;
  ExpectParityOfRandomStacks(seed, 500);
}

}  // namespace
}  // namespace derin::cpu
