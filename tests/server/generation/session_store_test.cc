#include "server/generation/session_store.h"

#include <set>

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

TEST_F(SessionStoreTest, ListsTheSessionsOfACallerInPages) {
  const auto first = *Open(), second = *Open();
  ASSERT_TRUE(store_.Open(version_, "mallory", 1).ok());
  const SessionStore::Page page = store_.List("local", "", 1);
  ASSERT_EQ(page.sessions.size(), 1u);
  EXPECT_EQ(page.next, page.sessions[0]->name());
  const SessionStore::Page rest = store_.List("local", page.next, 1);
  ASSERT_EQ(rest.sessions.size(), 1u);
  EXPECT_EQ(rest.next, "");
  EXPECT_LT(page.sessions[0]->name(), rest.sessions[0]->name());
  EXPECT_THAT((std::set{page.sessions[0], rest.sessions[0]}),
              testing::UnorderedElementsAre(first, second));
  EXPECT_EQ(store_.List("mallory", "", 10).sessions.size(), 1u);
  EXPECT_TRUE(store_.List("nobody", "", 10).sessions.empty());
}

TEST_F(SessionStoreTest, AForkHasTheStateAndAStreamOfItsOwn) {
  const auto session = *Open();
  session->state.position = 5;
  session->state.pending = 3;
  session->state.recent.Push(2);
  session->state.held.text = "x";
  const auto first = *store_.Fork(session->name(), "local", {});
  EXPECT_EQ(first->state.position, 5);
  EXPECT_EQ(first->position(), 5);
  EXPECT_EQ(first->state.pending, 3);
  EXPECT_EQ(first->state.recent.size(), 1);
  EXPECT_EQ(first->state.held.text, "x");
  EXPECT_EQ(first->state.seed, 7u);
  EXPECT_NE(first->state.stream, session->state.stream);
  EXPECT_NE(first->lease().slot(), session->lease().slot());
  const auto second = *store_.Fork(session->name(), "local", {.seed = 8, .same_stream = true});
  EXPECT_EQ(second->state.seed, 8u);
  EXPECT_EQ(second->state.stream, session->state.stream);
  EXPECT_TRUE(session->TryBegin().ok()) << "it was given back";
}

TEST_F(SessionStoreTest, TheSameForkOfTheSameTextHasTheSameStream) {
  const auto stream = [this](int64_t position, int number) {
    const auto session = *Open();
    session->state.position = position;
    uint32_t last = 0;
    for (int i = 0; i < number; ++i) {
      const auto fork = *store_.Fork(session->name(), "local", {});
      last = fork->state.stream;
      EXPECT_TRUE(store_.Close(fork->name(), "local").ok());
    }
    EXPECT_TRUE(store_.Close(session->name(), "local").ok());
    return last;
  };
  EXPECT_EQ(stream(5, 2), stream(5, 2));
  EXPECT_NE(stream(5, 2), stream(5, 1));
  EXPECT_NE(stream(5, 1), stream(6, 1));
}

TEST_F(SessionStoreTest, ForksNoSessionThatIsBusyNotThereOrHasNoRoom) {
  const auto session = *Open();
  ASSERT_TRUE(session->TryBegin().ok());
  EXPECT_EQ(ErrorReason(store_.Fork(session->name(), "local", {}).status()), "SESSION_BUSY");
  session->End(now_);
  EXPECT_EQ(ErrorReason(store_.Fork(session->name(), "mallory", {}).status()), "SESSION_NOT_FOUND");
  const auto second = *Open(), third = *Open();
  EXPECT_EQ(ErrorReason(store_.Fork(session->name(), "local", {}).status()), "SESSIONS_FULL");
  EXPECT_TRUE(session->TryBegin().ok()) << "it was given back";
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
  EXPECT_EQ(bytes, 2 * 2 * 2 * 12 * 4)
      << "now and at a call's start, layers, h and c, units, bytes";
  auto call = *store_.OpenForOneCall(version_, "local", 1);
  EXPECT_EQ(store_.state_bytes(), bytes + bytes / 2) << "of which nothing is kept";
  call.reset();
  ASSERT_TRUE(store_.Close(session->name(), "local").ok());
  session.reset();
  EXPECT_EQ(store_.state_bytes(), 0);
}

TEST_F(SessionStoreTest, ACallFindsTheSessionThatItOpenedWhileThatIsItsLast) {
  const auto opened = *store_.OpenForCall(version_, "local", 7, "id");
  // The call was refused before it began, or has not begun yet.
  EXPECT_NE(*store_.OpenForCall(version_, "local", 7, "id"), opened);
  const auto session = *store_.OpenForCall(version_, "mallory", 7, "id");
  session->Remember({"id", "digest"}, nullptr);
  EXPECT_EQ(*store_.OpenForCall(version_, "mallory", 8, "id"), session);
  ASSERT_TRUE(store_.Close(opened->name(), "local").ok());
  session->Remember({"another", "digest"}, nullptr);
  EXPECT_NE(store_.OpenForCall(version_, "mallory", 8, "id").value_or(nullptr), session);
}

}  // namespace
}  // namespace derin::server
