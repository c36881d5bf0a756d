#include "model/network/hidden_state_pool.h"

#include <set>

#include "gtest/gtest.h"
#include "model/backend/backend_list.h"

namespace derin {
namespace {

TEST(HiddenStatePool, GivesEachSlotOnceAndNeverSlotZero) {
  auto backend = *NewBackend("reference");
  auto pool = *HiddenStatePool::Create(*backend, ElementType::kF32, 8, 5);
  std::set<int32_t> slots;
  for (int i = 0; i < 5; ++i) slots.insert(*pool->Acquire());
  EXPECT_EQ(slots, (std::set<int32_t>{1, 2, 3, 4, 5}));
  EXPECT_EQ(pool->view().count, 48u);
}

TEST(HiddenStatePool, RefusesWhenFullAndGivesAgainWhatCameBack) {
  auto backend = *NewBackend("reference");
  auto pool = *HiddenStatePool::Create(*backend, ElementType::kF32, 8, 2);
  const int32_t first = *pool->Acquire();
  ASSERT_TRUE(pool->Acquire().ok());
  EXPECT_EQ(pool->Acquire().status().code(), absl::StatusCode::kResourceExhausted);
  pool->Release(first);
  EXPECT_EQ(*pool->Acquire(), first);
}

TEST(HiddenStatePool, CountsTheBytesOfTheSlotsThatAreTaken) {
  auto backend = *NewBackend("reference");
  auto pool = *HiddenStatePool::Create(*backend, ElementType::kF32, 8, 5);
  EXPECT_EQ(pool->taken_bytes(), 0);
  const int32_t first = *pool->Acquire();
  ASSERT_TRUE(pool->Acquire().ok());
  EXPECT_EQ(pool->taken_bytes(), 2 * 8 * 4);
  pool->Release(first);
  EXPECT_EQ(pool->taken_bytes(), 8 * 4);
}

}  // namespace
}  // namespace derin
