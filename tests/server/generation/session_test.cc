#include "server/generation/session.h"

#include <map>

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

class LastCallTest : public SessionTest {
 protected:
  // A call with this id that took the session from 5 to 9.
  void RunCall(const std::string& request_id, bool keep_request = true) {
    session_->state.position = 5;
    session_->state.pending = 2;
    session_->Publish();
    ASSERT_TRUE(session_->TryBeginCall({request_id, "digest"}, false, {}).ok());
    session_->Remember({request_id, "digest"},
                       keep_request ? std::make_shared<const GenerationRequest>() : nullptr);
    session_->FirstStepDone();
    session_->state.position = 9;
    session_->state.seed = 77;
    session_->state.pending = 3;
    session_->Publish();
  }
};

TEST_F(LastCallTest, IsFoundByItsIdAndBeginsWhereItBegan) {
  RunCall("a");
  EXPECT_EQ(ErrorReason(session_->TryBegin()), "SESSION_BUSY");
  const auto again = session_->TryBeginCall({"a", "digest"}, true, 5);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(*again) << "it takes over the one that still runs";
  session_->End(absl::Now());
  EXPECT_EQ(session_->idle_since(), absl::InfiniteFuture()) << "it is still in it";
  EXPECT_EQ(session_->start_position(), 5);
  EXPECT_EQ(session_->start_seed(), 1u);
  session_->Restore();
  EXPECT_EQ(session_->state.position, 5);
  EXPECT_EQ(session_->state.pending, 2);
  EXPECT_EQ(session_->state.seed, 1u);
  session_->End(absl::Now());
  EXPECT_TRUE(session_->TryBegin(5).ok());
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

TEST_F(LastCallTest, KeepsItsStartInASlotOfItsOwn) {
  session_->state.position = 5;
  ASSERT_TRUE(session_->TryBegin().ok());
  session_->Remember({}, nullptr);
  const int32_t live = session_->lease().slot(), start = session_->lease().start_slot();
  const auto kept = session_->CopyBeforeFirstStep();
  ASSERT_TRUE(kept.has_value());
  EXPECT_EQ(kept->from, live);
  EXPECT_EQ(kept->to, start);
  session_->FirstStepDone();
  EXPECT_EQ(session_->slot(), live);
  session_->state.position = 6;
  session_->Restore();
  EXPECT_EQ(session_->slot(), start) << "the other one is behind";
  const auto back = session_->CopyBeforeFirstStep();
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->from, start);
  EXPECT_EQ(back->to, live);
  session_->FirstStepDone();
  EXPECT_EQ(session_->slot(), live);
}

TEST_F(LastCallTest, NeedsNoCopyOfAStateFromNothing) {
  ASSERT_TRUE(session_->TryBegin().ok());
  session_->Remember({}, nullptr);
  EXPECT_FALSE(session_->CopyBeforeFirstStep().has_value());
  session_->FirstStepDone();
  session_->state.position = 3;
  session_->Restore();
  EXPECT_EQ(session_->state.position, 0);
  EXPECT_FALSE(session_->CopyBeforeFirstStep().has_value());
}

TEST_F(LastCallTest, IsRememberedFromItsStartToTheFarthestThatItCame) {
  ASSERT_EQ(session_->remembered().size(), 1u);
  EXPECT_EQ(session_->remembered()[0].last, 0);
  RunCall("a");
  session_->End(absl::Now());
  ASSERT_EQ(session_->remembered().size(), 1u);
  EXPECT_EQ(session_->remembered()[0].first, 5);
  EXPECT_EQ(session_->remembered()[0].last, 9);
  EXPECT_NE(*session_->Rewind(7), nullptr) << "steps are needed";
  EXPECT_EQ(*session_->Rewind(9), nullptr) << "it is there";
  EXPECT_EQ(*session_->Rewind(5), nullptr) << "which is kept";
  EXPECT_EQ(session_->state.position, 5);
  EXPECT_EQ(session_->position(), 5);
  EXPECT_EQ(session_->remembered()[0].last, 9) << "it may go forward again";
}

TEST_F(LastCallTest, NamesTheNearestPositionThatIsRemembered) {
  RunCall("a", /*keep_request=*/false);
  session_->End(absl::Now());
  ASSERT_EQ(session_->remembered().size(), 2u) << "its start, and where it is";
  for (const auto& [position, nearest] : std::map<int64_t, int>{{0, 5}, {6, 5}, {8, 9}, {99, 9}}) {
    const absl::Status status = session_->Rewind(position).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
    EXPECT_EQ(ErrorReason(status), "POSITION_NOT_REMEMBERED");
    EXPECT_THAT(std::string(status.message()),
                testing::EndsWith(absl::StrFormat("the nearest that it does is %d", nearest)));
  }
}

}  // namespace
}  // namespace derin::server
