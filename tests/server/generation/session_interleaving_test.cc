// Sessions under random operations against an oracle that runs each alone. A seed that fails once
// stays in the list.

#include "tests/server/generation/session_interleaving.h"

namespace derin::server {
namespace {

TEST(SessionInterleaving, EverySessionIsAsIfItWereAlone) {
  for (uint64_t seed = 1; seed <= 60 && !testing::Test::HasFailure(); ++seed) {
    SessionInterleaving(seed).Run(60);
  }
}

TEST(SessionInterleaving, NoneOf256SessionsHearsAnother) {
  SessionInterleaving(1, /*least=*/256).Run(2500);
}

}  // namespace
}  // namespace derin::server
