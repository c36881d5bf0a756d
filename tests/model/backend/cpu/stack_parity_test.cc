// Random stacks against the reference; stack_parity_slow_test.cc draws new ones each time.

#include "tests/model/backend/cpu/random_stack.h"

namespace derin::cpu {
namespace {

TEST(StackParity, GradientsOfRandomStacksAreTheReferencesTensorByTensor) {
  ExpectParityOfRandomStacks(20, 24);
}

}  // namespace
}  // namespace derin::cpu
