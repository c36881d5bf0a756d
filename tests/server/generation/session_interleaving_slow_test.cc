// Other random operations each time. A seed that fails goes to session_interleaving_test.cc.

#include <iostream>
#include <random>

#include "tests/server/generation/session_interleaving.h"

namespace derin::server {
namespace {

TEST(SessionInterleaving, EverySessionOfAFreshSeedIsAsIfItWereAlone) {
  std::random_device device;
  for (int i = 0; i < 300 && !testing::Test::HasFailure(); ++i) {
    const uint64_t seed = (uint64_t{device()} << 32) | device();
    SessionInterleaving(seed).Run(300);
    if (testing::Test::HasFailure()) std::cout << "seed " << seed << std::endl;
  }
}

}  // namespace
}  // namespace derin::server
