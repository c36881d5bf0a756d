#include "server/storage/random_id.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "server/storage/resource_name.h"

namespace derin::server {
namespace {

using ::testing::MatchesRegex;

TEST(RandomId, IdsHaveTheirFormAndPassAsResourceIds) {
  for (int i = 0; i < 200; ++i) {
    const std::string server = NewServerId();
    const std::string job = NewTrainingJobId();
    const std::string session = NewSessionId(server);
    EXPECT_THAT(server, MatchesRegex("[a-f][0-9a-f]{15}"));
    EXPECT_THAT(job, MatchesRegex("job-[a-z2-7]{12}"));
    EXPECT_THAT(session, MatchesRegex("[a-f][0-9a-f]{15}-[0-9a-f]{32}"));
    EXPECT_TRUE(CheckId(server, "").ok());
    EXPECT_TRUE(CheckId(job, "").ok());
    EXPECT_TRUE(CheckId(session, "").ok());
    EXPECT_EQ(ServerOfSession(session), server);
  }
}

TEST(RandomId, ASessionIdWithoutADashIsOfNoServer) { EXPECT_EQ(ServerOfSession("abcdef"), ""); }

TEST(RandomId, NothingComesTwice) {
  std::set<std::string> ids;
  std::set<uint64_t> bits;
  for (int i = 0; i < 1'000; ++i) {
    ids.insert(NewTrainingJobId());
    ids.insert(RandomHex(8));
    bits.insert(RandomBits());
  }
  EXPECT_EQ(ids.size(), 2'000);
  EXPECT_EQ(bits.size(), 1'000);
}

}  // namespace
}  // namespace derin::server
