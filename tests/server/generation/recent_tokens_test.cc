#include "server/generation/recent_tokens.h"

#include "gtest/gtest.h"

namespace derin::server {
namespace {

TEST(RecentTokens, AreTheLastOnesBackwards) {
  RecentTokens recent;
  EXPECT_EQ(recent.size(), 0);
  for (const int32_t token : {4, 5, 6}) recent.Push(token);
  EXPECT_EQ(recent.size(), 3);
  EXPECT_EQ(recent.Back(0), 6);
  EXPECT_EQ(recent.Back(2), 4);
}

TEST(RecentTokens, ForgetTheOldestWhenThereAreTooMany) {
  RecentTokens recent;
  for (int32_t token = 0; token < 1000; ++token) {
    recent.Push(token);
    for (int back = 0; back < recent.size(); ++back) ASSERT_EQ(recent.Back(back), token - back);
  }
  EXPECT_EQ(recent.size(), RecentTokens::kCapacity);
}

}  // namespace
}  // namespace derin::server
