#include "server/generation/session_store.h"

#include "server/status/error.h"
#include "tests/server/generation/tiny_version.h"

namespace derin::server {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class SessionStoreTest : public testing::Test {
 protected:
  absl::StatusOr<std::shared_ptr<Session>> Open() { return store_.Open(version_, "local", 7); }

  std::unique_ptr<Backend> backend_ = *NewBackend("auto");
  std::shared_ptr<const LoadedVersion> version_ = TinyVersion(*backend_);
  absl::Time now_ = absl::UnixEpoch();
  SessionStore store_{
      *backend_, "a1b2", {.max_sessions = 3, .idle_limit = absl::Minutes(10)}, [this] {
        return now_;
      }};
};

TEST_F(SessionStoreTest, NamesSessionsAfterTheServerAndFindsThemAgain) {
  const auto session = *Open();
  EXPECT_THAT(session->name(), StartsWith("sessions/a1b2-"));
  EXPECT_EQ(session->state.seed, 7u);
  EXPECT_EQ(*store_.Find(session->name(), "local", "session"), session);
  EXPECT_EQ(store_.size(), 1);
}

TEST_F(SessionStoreTest, AnotherCallersSessionIsNotFound) {
  const auto session = *Open();
  const absl::Status status = store_.Find(session->name(), "mallory", "session").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorReason(status), "SESSION_NOT_FOUND");
}

TEST_F(SessionStoreTest, ASessionOfAnotherServerSaysSo) {
  const absl::Status status =
      store_.Find("sessions/ffff-0123456789abcdef", "local", "session").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(status), "WRONG_SERVER");
}

TEST_F(SessionStoreTest, ANameThatIsNoneNamesTheField) {
  const absl::Status status = store_.Find("sessions/", "local", "session").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorField(status), "session");
}

TEST_F(SessionStoreTest, RefusesOneTooManyWithAHintWhenToTryAgain) {
  const auto first = *Open(), second = *Open();
  const auto third = *store_.OpenForOneCall(version_, "local", 1);
  const absl::Status status = Open().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), "SESSIONS_FULL");
  EXPECT_TRUE(ErrorRetryDelay(status).has_value());
  EXPECT_THAT(std::string(status.message()), HasSubstr("all 3 sessions"));
}

TEST_F(SessionStoreTest, AClosedSessionGivesItsSlotBackWhenItsCallLetsGo) {
  auto first = *Open(), second = *Open(), third = *Open();
  ASSERT_TRUE(store_.Close(third->name(), "local").ok());
  EXPECT_TRUE(third->closed());
  EXPECT_FALSE(Open().ok()) << "a call may still step the slot";
  third.reset();
  EXPECT_TRUE(Open().ok());
}

TEST_F(SessionStoreTest, AClosedSessionIsNotFound) {
  const auto session = *Open();
  ASSERT_TRUE(store_.Close(session->name(), "local").ok());
  EXPECT_EQ(store_.Close(session->name(), "local").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_.size(), 0);
}

TEST_F(SessionStoreTest, MakesRoomByClosingWhatWasIdleTooLong) {
  ASSERT_TRUE(Open().ok());
  now_ += absl::Minutes(6);
  const auto busy = *Open();
  ASSERT_TRUE(busy->TryBegin().ok());
  ASSERT_TRUE(Open().ok());
  now_ += absl::Minutes(6);
  EXPECT_TRUE(Open().ok()) << "the first was idle for twelve minutes";
  EXPECT_FALSE(Open().ok()) << "the busy one is not idle, the others not for long";
  EXPECT_EQ(store_.size(), 3);
  EXPECT_EQ(store_.evicted(), 1);
}

TEST_F(SessionStoreTest, CountsTheBytesOfStatesThatAreHeld) {
  EXPECT_EQ(store_.state_bytes(), 0);
  auto session = *Open();
  const int64_t bytes = store_.state_bytes();
  EXPECT_EQ(bytes, 2 * 2 * 12 * 4) << "layers, h and c, units, bytes";
  auto call = *store_.OpenForOneCall(version_, "local", 1);
  EXPECT_EQ(store_.state_bytes(), 2 * bytes);
  call.reset();
  ASSERT_TRUE(store_.Close(session->name(), "local").ok());
  session.reset();
  EXPECT_EQ(store_.state_bytes(), 0);
}

}  // namespace
}  // namespace derin::server
