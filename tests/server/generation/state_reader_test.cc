#include "server/generation/state_reader.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/backend/backend_list.h"

namespace derin::server {
namespace {

using testing::ElementsAre;

TEST(StateReader, ReadsTheSlotThatItIsAskedFor) {
  const auto backend = *NewBackend("auto");
  const auto pool = *HiddenStatePool::Create(*backend, ElementType::kF32, 2, 3);
  const auto queue = *backend->NewQueue(QueuePriority::kGeneration);
  const std::vector<float> states = {0, 0, 1, 2, 3, 4, 5, 6};
  backend->Upload(*queue, states.data(), pool->view());
  ASSERT_TRUE(queue->Finish().ok());
  StateReader reader(*backend);
  EXPECT_THAT(*reader.Read(*pool, 2), ElementsAre(3, 4));
  EXPECT_THAT(*reader.Read(*pool, 3), ElementsAre(5, 6));
}

}  // namespace
}  // namespace derin::server
