#include "server/generation/state_copier.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/backend/backend_list.h"

namespace derin::server {
namespace {

using testing::ElementsAre;

TEST(StateCopier, CopiesOneSlotAndLeavesTheOthers) {
  const auto backend = *NewBackend("auto");
  const auto pool = *HiddenStatePool::Create(*backend, ElementType::kF32, 2, 3);
  const auto queue = *backend->NewQueue(QueuePriority::kGeneration);
  const std::vector<float> states = {0, 0, 1, 2, 3, 4, 5, 6};
  backend->Upload(*queue, states.data(), pool->view());
  StateCopier copier(*backend);
  ASSERT_TRUE(copier.Copy(*pool, 1, 3).ok());
  ASSERT_TRUE(copier.Copy(*pool, 2, 1).ok());
  std::vector<float> after(8);
  ASSERT_TRUE(backend->Download(*queue, pool->view(), after.data()).ok());
  EXPECT_THAT(after, ElementsAre(0, 0, 3, 4, 3, 4, 1, 2));
}

}  // namespace
}  // namespace derin::server
