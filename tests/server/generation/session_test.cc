#include "server/generation/session.h"

#include "server/status/error.h"
#include "tests/server/generation/stored_sessions.h"
#include "tests/server/generation/tiny_version.h"

namespace derin::server {
namespace {

class SessionTest : public testing::Test {
 protected:
  std::unique_ptr<Backend> backend_ = *NewBackend("auto");
  StoredSessions sessions_{*backend_};
  std::shared_ptr<Session> session_ = sessions_.Open(TinyVersion(*backend_), "local", 1);
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

TEST_F(SessionTest, IsOfAnotherEngineUntilItGoesOnInThisOne) {
  const auto version = TinyVersion(*backend_);
  EXPECT_FALSE(session_->engine_changed());
  for (const int64_t position : {0, 7}) {
    Session session({.engine_id = "other/f32/1", .state = {.position = position}}, version,
                    nullptr);
    EXPECT_TRUE(session.engine_changed());
    EXPECT_EQ(session.Facts(absl::Now()).engine_id, "other/f32/1") << "so a fork has it too";
    ++session.state.position;
    session.Publish();
    EXPECT_FALSE(session.engine_changed());
    EXPECT_EQ(session.Facts(absl::Now()).engine_id, version->engine_id);
  }
}

TEST_F(SessionTest, IsIdleSinceTheEndOfItsLastCall) {
  const absl::Time end = absl::UnixEpoch() + absl::Seconds(5);
  ASSERT_TRUE(session_->TryBegin().ok());
  EXPECT_EQ(session_->idle_since(), absl::InfiniteFuture());
  session_->End(end);
  EXPECT_EQ(session_->idle_since(), end);
}

class LastCallTest : public SessionTest {
 protected:
  // A call with this id that took the session from 5 to 9.
  void RunCall(const std::string& request_id) {
    session_->state.position = 5;
    session_->state.pending = 2;
    session_->Publish();
    session_->set_sequence(3);
    start_.state = session_->state;
    start_.hidden = {1, 2};
    ASSERT_TRUE(session_->TryBeginCall({request_id, "digest"}, false, {}).ok());
    session_->Remember({request_id, "digest"}, std::make_shared<const v1::GenerateRequest>());
    session_->Uploaded();
    session_->state.position = 9;
    session_->state.seed = 77;
    session_->state.pending = 3;
    session_->Publish();
  }

  SessionImage start_;
};

TEST_F(LastCallTest, IsFoundByItsIdAndBeginsWhereItBegan) {
  RunCall("a");
  EXPECT_EQ(ErrorReason(session_->TryBegin()), "SESSION_BUSY");
  const auto again = session_->TryBeginCall({"a", "digest"}, true, 5);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(*again) << "it takes over the one that still runs";
  session_->End(absl::Now());
  EXPECT_EQ(session_->idle_since(), absl::InfiniteFuture()) << "it is still in it";
  const auto last = session_->last_call();
  EXPECT_EQ(last->start_sequence, 3);
  EXPECT_EQ(last->start_position, 5);
  EXPECT_EQ(last->start_seed, 1u);
  EXPECT_EQ(last->end_position, 9);
  session_->Restore(start_);
  EXPECT_EQ(session_->to_upload(), start_.hidden) << "the slot holds what came later";
  EXPECT_EQ(session_->state.position, 5);
  EXPECT_EQ(session_->state.pending, 2);
  EXPECT_EQ(session_->state.seed, 1u);
  session_->End(absl::Now());
  EXPECT_TRUE(session_->TryBegin(5).ok());
}

TEST_F(LastCallTest, IsNotMadeAgainWhileSomethingElseIsInTheSession) {
  RunCall("a");
  session_->End(absl::Now());
  // One that forks or scores it, say.
  ASSERT_TRUE(session_->TryBegin().ok());
  EXPECT_EQ(ErrorReason(session_->TryBeginCall({"a", "digest"}, true, {}).status()),
            "SESSION_BUSY");
  session_->End(absl::Now());
  // The next call, which has not started yet.
  ASSERT_TRUE(session_->TryBeginCall({"b", "digest"}, false, {}).ok());
  EXPECT_EQ(ErrorReason(session_->TryBeginCall({"a", "digest"}, true, {}).status()),
            "SESSION_BUSY");
  session_->End(absl::Now());
  // Once more, and then once more while that runs.
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(*session_->TryBeginCall({"a", "digest"}, true, {}));
}

TEST_F(LastCallTest, WithAnotherRequestOrWhenItIsNotTheLastIsRefused) {
  RunCall("a");
  session_->End(absl::Now());
  const absl::Status other = session_->TryBeginCall({"a", "another"}, false, {}).status();
  EXPECT_EQ(other.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(other), "REQUEST_ID_REUSED");
  const absl::Status gone = session_->TryBeginCall({"b", "digest"}, true, {}).status();
  EXPECT_EQ(gone.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(gone), "REQUEST_NOT_REMEMBERED");
  EXPECT_EQ(ErrorReason(session_->TryBeginCall({"a", "digest"}, true, 9).status()),
            "POSITION_MISMATCH");
  const auto fresh = session_->TryBeginCall({"b", "digest"}, false, 9);
  EXPECT_TRUE(fresh.ok() && !*fresh);
}

TEST_F(LastCallTest, WithoutAnIdIsNotMadeAgain) {
  RunCall("");
  session_->End(absl::Now());
  const auto next = session_->TryBeginCall({"", "digest"}, false, {});
  EXPECT_TRUE(next.ok() && !*next);
}

TEST_F(LastCallTest, ThatTheServerForgotGoesOnWhereItsCallerExpectsIt) {
  RunCall("a");
  session_->End(absl::Now());
  EXPECT_EQ(ErrorReason(session_->TryBeginCall({"b", "digest"}, true, 8).status()),
            "POSITION_MISMATCH");
  const auto here = session_->TryBeginCall({"b", "digest"}, true, 9);
  EXPECT_TRUE(here.ok() && !*here) << here.status();
}

TEST_F(LastCallTest, IsThatOfTheImageWhenThatIsRestoredWithIt) {
  RunCall("a");
  start_.last = LastCall{.key = {"before", "digest"}, .start_sequence = 2};
  session_->RestoreWithCall(start_);
  session_->End(absl::Now());
  EXPECT_EQ(session_->last_call()->key.request_id, "before");
  EXPECT_EQ(session_->position(), 5);
}

TEST_F(LastCallTest, IsAmongTheFactsOfASession) {
  RunCall("a");
  const SessionImage image = session_->Facts(absl::UnixEpoch());
  EXPECT_EQ(image.name, session_->name());
  EXPECT_EQ(image.owner, "local");
  EXPECT_EQ(image.model_version, "models/tiny/versions/1");
  EXPECT_EQ(image.engine_id, session_->version()->engine_id);
  EXPECT_EQ(image.idle_since, absl::UnixEpoch());
  EXPECT_EQ(image.last->end_position, 9) << "as far as it came until now";
}

}  // namespace
}  // namespace derin::server
