#include "server/generation/session.h"

#include "server/status/error.h"
#include "tests/server/generation/tiny_version.h"

namespace derin::server {
namespace {

class SessionTest : public testing::Test {
 protected:
  std::unique_ptr<Backend> backend_ = *NewBackend("auto");
  SessionStore store_{*backend_, "a0", {}};
  std::shared_ptr<Session> session_ = *store_.Open(TinyVersion(*backend_), "local", 1);
};

TEST_F(SessionTest, LetsOneCallInAtATime) {
  ASSERT_TRUE(session_->TryBegin().ok());
  const absl::Status second = session_->TryBegin();
  EXPECT_EQ(second.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ErrorReason(second), "SESSION_BUSY");
  session_->End(absl::Now());
  EXPECT_TRUE(session_->TryBegin().ok());
}

TEST_F(SessionTest, LetsNobodyInOnceClosed) {
  session_->Close();
  const absl::Status status = session_->TryBegin();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorReason(status), "SESSION_NOT_FOUND");
}

TEST_F(SessionTest, LetsInOnlyWhoExpectsItWhereItIs) {
  session_->state.position = 7;
  const absl::Status early = session_->TryBegin(6);
  EXPECT_EQ(early.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(early), "POSITION_MISMATCH");
  EXPECT_THAT(std::string(early.message()),
              testing::AllOf(testing::HasSubstr("got 6"), testing::HasSubstr("at 7")));
  EXPECT_TRUE(session_->TryBegin(7).ok()) << "a call that is refused is not in it";
}

TEST_F(SessionTest, ShowsOthersWhereItWasLastPublished) {
  session_->state.position = 7;
  session_->state.stream = 8;
  EXPECT_EQ(session_->position(), 0);
  session_->Publish();
  EXPECT_EQ(session_->position(), 7);
  EXPECT_EQ(session_->seed(), 1u);
  EXPECT_EQ(session_->stream(), 8u);
}

TEST_F(SessionTest, IsIdleSinceTheEndOfItsLastCall) {
  const absl::Time end = absl::UnixEpoch() + absl::Seconds(5);
  ASSERT_TRUE(session_->TryBegin().ok());
  EXPECT_EQ(session_->idle_since(), absl::InfiniteFuture());
  session_->End(end);
  EXPECT_EQ(session_->idle_since(), end);
}

}  // namespace
}  // namespace derin::server
