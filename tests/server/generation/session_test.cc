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

TEST_F(SessionTest, IsIdleSinceTheEndOfItsLastCall) {
  const absl::Time end = absl::UnixEpoch() + absl::Seconds(5);
  ASSERT_TRUE(session_->TryBegin().ok());
  EXPECT_EQ(session_->idle_since(), absl::InfiniteFuture());
  session_->End(end);
  EXPECT_EQ(session_->idle_since(), end);
}

}  // namespace
}  // namespace derin::server
