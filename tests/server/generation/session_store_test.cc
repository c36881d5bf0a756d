#include "server/generation/session_store.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/server/generation/stored_sessions.h"
#include "tests/server/generation/tiny_version.h"

namespace derin::server {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// Of a state of TinyVersion: layers, h and c, units, bytes.
constexpr int64_t kStateBytes = 2 * 2 * 12 * 4;

class SessionStoreTest : public testing::Test {
 protected:
  explicit SessionStoreTest(const SessionStoreOptions& options = {.max_sessions = 4})
      : sessions_(*backend_, options) {
    sessions_.Add(version_);
  }

  std::shared_ptr<Session> Open(v1::Durability durability = v1::DURABILITY_PROCESS) {
    return sessions_.Open(version_, "local", 7, durability);
  }
  // A call that takes the session to `position`, where its hidden state is `value` throughout.
  void Call(Session& session, int64_t position, float value, const std::string& request_id = "") {
    ASSERT_TRUE(session.TryBegin().ok());
    session.Remember({request_id, "digest"}, std::make_shared<const v1::GenerateRequest>());
    SessionImage image;
    image.state = session.state;
    image.state.position = position;
    image.hidden.assign(kStateBytes / 4, value);
    session.Restore(image);
    ASSERT_TRUE(sessions_->Keep(session).ok());
    session.End(sessions_.now);
  }
  std::string Reason(std::string_view name, std::string_view owner = "local") {
    return ErrorReason(sessions_->Acquire(name, owner, "session").status());
  }
  std::vector<std::pair<int64_t, int64_t>> Remembered(const Session& session) {
    std::vector<std::pair<int64_t, int64_t>> ranges;
    const auto view = sessions_->Get(session.name(), "local");
    for (const auto& range : view->remembered) {
      ranges.emplace_back(range.first, range.last);
    }
    return ranges;
  }

  std::unique_ptr<Backend> backend_ = *NewBackend("auto");
  std::shared_ptr<const LoadedVersion> version_ = TinyVersion(*backend_);
  StoredSessions sessions_;
};

TEST_F(SessionStoreTest, NamesSessionsAfterTheServerAndFindsThemAgain) {
  const auto session = Open();
  EXPECT_THAT(session->name(), StartsWith("sessions/a1b2-"));
  EXPECT_EQ(session->state.seed, 7u);
  const auto again = *sessions_->Acquire(session->name(), "local", "session");
  EXPECT_EQ(again.session, session);
  EXPECT_EQ(again.tier, v1::SESSION_TIER_DEVICE);
  EXPECT_EQ(sessions_->counts().sessions, 1);
}

TEST_F(SessionStoreTest, AnotherCallersSessionIsNotFound) {
  const auto session = Open();
  EXPECT_EQ(Reason(session->name(), "mallory"), "SESSION_NOT_FOUND");
  EXPECT_EQ(ErrorReason(sessions_->Get(session->name(), "mallory").status()), "SESSION_NOT_FOUND");
  EXPECT_EQ(ErrorReason(sessions_->Close(session->name(), "mallory")), "SESSION_NOT_FOUND");
}

TEST_F(SessionStoreTest, ASessionOfAnotherServerSaysSo) {
  EXPECT_EQ(Reason("sessions/ffff-0123456789abcdef"), "WRONG_SERVER");
}

TEST_F(SessionStoreTest, ANameThatIsNoneNamesTheField) {
  const absl::Status status = sessions_->Acquire("sessions/", "local", "session").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorField(status), "session");
}

TEST_F(SessionStoreTest, ListsTheSessionsOfACallerInPages) {
  const auto first = Open(), second = Open();
  ASSERT_NE(sessions_.Open(version_, "mallory", 1), nullptr);
  const SessionStore::Page page = sessions_->List("local", "", 1);
  ASSERT_EQ(page.sessions.size(), 1u);
  EXPECT_EQ(page.next, page.sessions[0].image.name);
  const SessionStore::Page rest = sessions_->List("local", page.next, 1);
  ASSERT_EQ(rest.sessions.size(), 1u);
  EXPECT_EQ(rest.next, "");
  EXPECT_EQ((std::set{page.sessions[0].image.name, rest.sessions[0].image.name}),
            (std::set{first->name(), second->name()}));
  EXPECT_EQ(sessions_->List("mallory", "", 10).sessions.size(), 1u);
  EXPECT_TRUE(sessions_->List("nobody", "", 10).sessions.empty());
}

TEST_F(SessionStoreTest, OneThatCannotBeReadDoesNotHideThoseBehindIt) {
  std::set<std::string> names;
  for (int i = 0; i < 4; ++i) names.insert(Open()->name());
  const auto brief = *names.begin();
  ASSERT_TRUE(sessions_->Close(brief, "local").ok());
  const auto expired = *sessions_->Open(*version_, "local", {.time_to_live = absl::Minutes(1)});
  sessions_.Restart();
  sessions_.now += absl::Minutes(2);
  names.erase(brief);
  std::set<std::string> seen;
  std::string after;
  do {
    const SessionStore::Page page = sessions_->List("local", after, 1);
    for (const auto& one : page.sessions) seen.insert(one.image.name);
    after = page.next;
  } while (!after.empty());
  EXPECT_EQ(seen, names) << "but not " << expired.image.name;
}

TEST_F(SessionStoreTest, AnOwnerHasAsManySessionsAsItMay) {
  const auto first = *sessions_->Open(*version_, "ada", {.max_owned = 2});
  const auto& name = first.image.name;
  ASSERT_TRUE(sessions_->Fork(name, "ada", {.max_owned = 2}).ok());
  for (const absl::Status& status : {sessions_->Open(*version_, "ada", {.max_owned = 2}).status(),
                                     sessions_->Fork(name, "ada", {.max_owned = 2}).status()}) {
    EXPECT_EQ(ErrorReason(status), "CALLER_SESSIONS_FULL");
    EXPECT_TRUE(ErrorRetryDelay(status).has_value());
  }
  EXPECT_TRUE(sessions_->Open(*version_, "bob", {.max_owned = 1}).ok());
  ASSERT_TRUE(sessions_->Close(name, "ada").ok());
  EXPECT_TRUE(sessions_->Open(*version_, "ada", {.max_owned = 2}).ok());
}

TEST_F(SessionStoreTest, ListsTheSessionsOfAllOwnersPageByPage) {
  std::vector<std::pair<std::string, std::string>> wanted;
  for (const char* owner : {"bob", "ada", "bob"}) {
    wanted.emplace_back(owner, sessions_->Open(*version_, owner, {})->image.name);
    EXPECT_EQ(sessions_->OwnerOf(wanted.back().second), owner);
  }
  std::sort(wanted.begin(), wanted.end());
  std::vector<std::pair<std::string, std::string>> seen;
  std::string after;
  do {
    const SessionStore::Page page = sessions_->ListAll(after, 1);
    for (const auto& one : page.sessions) seen.emplace_back(one.image.owner, one.image.name);
    after = page.next;
  } while (!after.empty());
  EXPECT_EQ(seen, wanted);
}

TEST_F(SessionStoreTest, OneThatWasUsedWithoutAChangeIsNotExpired) {
  auto session = Open();
  sessions_.now += absl::Hours(23);
  ASSERT_TRUE(session->TryBegin().ok());  // as to score a text in it
  session->End(sessions_.now);
  const std::string name = session->name();
  sessions_.now += absl::Hours(2);
  session.reset();
  sessions_->RemoveExpired();
  EXPECT_EQ(Reason(name), "");
}

TEST_F(SessionStoreTest, AForkHasTheStateAndAStreamOfItsOwn) {
  const auto session = Open();
  session->state.pending = 3;
  session->state.recent.Push(2);
  session->state.held.text = "x";
  Call(*session, 5, 0.5f);
  const auto first = *sessions_->Fork(session->name(), "local", {});
  EXPECT_EQ(first.image.state.position, 5);
  EXPECT_EQ(first.image.state.pending, 3);
  EXPECT_EQ(first.image.state.recent.size(), 1);
  EXPECT_EQ(first.image.state.held.text, "x");
  EXPECT_EQ(first.image.state.seed, 7u);
  EXPECT_NE(first.image.state.stream, session->state.stream);
  EXPECT_FALSE(first.image.last.has_value()) << "a call of another session";
  const auto fork = sessions_.Acquire(first.image.name, "local");
  EXPECT_EQ(fork->to_upload(), std::vector<float>(kStateBytes / 4, 0.5f));
  EXPECT_NE(fork->lease().slot(), session->lease().slot());
  const auto second = *sessions_->Fork(session->name(), "local", {.seed = 8, .same_stream = true});
  EXPECT_EQ(second.image.state.seed, 8u);
  EXPECT_EQ(second.image.state.stream, session->state.stream);
  EXPECT_TRUE(session->TryBegin().ok()) << "it was given back";
}

TEST_F(SessionStoreTest, TheSameForkOfTheSameTextHasTheSameStream) {
  const auto stream = [this](int64_t position, int number) {
    auto session = Open();
    Call(*session, position, 0);
    uint32_t last = 0;
    for (int i = 0; i < number; ++i) {
      // A restart forgets nothing of it, either.
      const std::string name = session->name();
      session.reset();
      sessions_.Restart();
      session = sessions_.Acquire(name, "local");
      const auto fork = *sessions_->Fork(name, "local", {});
      last = fork.image.state.stream;
      EXPECT_TRUE(sessions_->Close(fork.image.name, "local").ok());
    }
    EXPECT_TRUE(sessions_->Close(session->name(), "local").ok());
    return last;
  };
  EXPECT_EQ(stream(5, 2), stream(5, 2));
  EXPECT_NE(stream(5, 2), stream(5, 1));
  EXPECT_NE(stream(5, 1), stream(6, 1));
}

TEST_F(SessionStoreTest, ForksNoSessionThatIsBusyNotThereOrOneTooMany) {
  const auto session = Open();
  ASSERT_TRUE(session->TryBegin().ok());
  EXPECT_EQ(ErrorReason(sessions_->Fork(session->name(), "local", {}).status()), "SESSION_BUSY");
  session->End(sessions_.now);
  EXPECT_EQ(ErrorReason(sessions_->Fork(session->name(), "mallory", {}).status()),
            "SESSION_NOT_FOUND");
  Open(), Open(), Open();
  EXPECT_EQ(ErrorReason(sessions_->Fork(session->name(), "local", {}).status()), "SESSIONS_FULL");
  EXPECT_TRUE(session->TryBegin().ok()) << "it was given back";
}

TEST_F(SessionStoreTest, RefusesOneTooManyWithAHintWhenToTryAgain) {
  for (int i = 0; i < 4; ++i) Open();
  const absl::Status status = sessions_->Open(*version_, "local", {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), "SESSIONS_FULL");
  EXPECT_TRUE(ErrorRetryDelay(status).has_value());
  EXPECT_THAT(std::string(status.message()), HasSubstr("all 4 sessions"));
  EXPECT_TRUE(sessions_->OpenForOneCall(version_, "local", 1).ok()) << "that is no session";
}

TEST_F(SessionStoreTest, AClosedSessionIsNotFoundAndStaysSoAfterARestart) {
  const auto session = Open();
  ASSERT_TRUE(sessions_->Close(session->name(), "local").ok());
  EXPECT_TRUE(session->closed());
  EXPECT_EQ(Reason(session->name()), "SESSION_NOT_FOUND");
  EXPECT_EQ(sessions_->Close(session->name(), "local").code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(sessions_->Keep(*session).ok()) << "a call that was in it ends quietly";
  sessions_.Restart();
  EXPECT_EQ(Reason(session->name()), "SESSION_NOT_FOUND");
  EXPECT_EQ(sessions_->counts().sessions, 0);
}

TEST_F(SessionStoreTest, ExpiresWhatNoCallUsed) {
  const std::string idle = Open()->name();
  const auto busy = Open();
  ASSERT_TRUE(busy->TryBegin().ok());
  const auto brief = *sessions_->Open(*version_, "local", {.time_to_live = absl::Minutes(1)});
  sessions_.now += absl::Minutes(2);
  EXPECT_EQ(Reason(brief.image.name), "SESSION_NOT_FOUND") << "before anybody sweeps";
  sessions_.now += absl::Hours(25);
  sessions_->RemoveExpired();
  EXPECT_EQ(Reason(idle), "SESSION_NOT_FOUND");
  EXPECT_EQ(Reason(busy->name()), "");
  EXPECT_EQ(sessions_->counts().sessions, 1);
  EXPECT_EQ(sessions_->counts().expired, 2);
}

TEST_F(SessionStoreTest, ExpiresWhatNoCallUsedWhileNoServerRan) {
  const std::string name = Open()->name();
  sessions_.now += absl::Hours(25);
  sessions_.Restart();
  EXPECT_EQ(sessions_->counts().sessions, 0);
  EXPECT_EQ(Reason(name), "SESSION_NOT_FOUND");
}

TEST_F(SessionStoreTest, OutlivesTheProcessAsItsCallerAsked) {
  std::map<v1::Durability, std::string> names;
  for (const auto durability :
       {v1::DURABILITY_NONE, v1::DURABILITY_PROCESS, v1::DURABILITY_POWER}) {
    const auto session = Open(durability);
    Call(*session, 3, 0.25f, "id");
    names[durability] = session->name();
  }
  sessions_.Restart();
  EXPECT_EQ(Reason(names[v1::DURABILITY_NONE]), "SESSION_NOT_FOUND");
  for (const auto durability : {v1::DURABILITY_PROCESS, v1::DURABILITY_POWER}) {
    EXPECT_EQ(sessions_->Get(names[durability], "local")->image.durability, durability);
    const auto found = sessions_->Acquire(names[durability], "local", "session");
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->tier, v1::SESSION_TIER_DISK);
    EXPECT_EQ(found->session->state.position, 3);
    EXPECT_EQ(found->session->to_upload(), std::vector<float>(kStateBytes / 4, 0.25f));
    EXPECT_TRUE(*found->session->TryBeginCall({"id", "digest"}, true, 0)) << "its last call, too";
    EXPECT_EQ((*sessions_->StartOfLastCall(*found->session))->state.position, 0);
  }
}

TEST_F(SessionStoreTest, ASessionWhoseModelIsGoneSaysSo) {
  const std::string name = Open()->name();
  sessions_.Restart();
  sessions_.Delete(*version_);
  EXPECT_EQ(Reason(name), "MODEL_DELETED");
}

TEST_F(SessionStoreTest, AStateThatDoesNotFitItsModelIsDamaged) {
  auto session = Open();
  ASSERT_TRUE(session->TryBegin().ok());
  SessionImage image;
  image.state.position = 1;
  image.hidden = {1, 2, 3};
  session->Restore(image);
  ASSERT_TRUE(sessions_->Keep(*session).ok());
  const std::string name = session->name();
  session.reset();
  sessions_.Restart();
  EXPECT_EQ(Reason(name), "SESSION_DAMAGED");
  EXPECT_EQ(sessions_->counts().failed_to_restore, 1);
}

TEST_F(SessionStoreTest, ACallFindsTheSessionThatItOpenedWhileThatIsItsLast) {
  const auto open = [this](std::string_view owner) {
    return sessions_->OpenForCall(version_, owner, {.seed = 7}, "id")->session;
  };
  const auto opened = open("local");
  // The call was refused before it began, or has not begun yet.
  EXPECT_NE(open("local"), opened);
  const auto session = open("mallory");
  session->Remember({"id", "digest"}, nullptr);
  EXPECT_EQ(open("mallory"), session);
  ASSERT_TRUE(sessions_->Close(opened->name(), "local").ok());
  session->Remember({"another", "digest"}, nullptr);
  EXPECT_NE(open("mallory"), session);
}

TEST_F(SessionStoreTest, RemembersTheLastCallAndWhereEarlierOnesBegan) {
  const auto session = Open();
  EXPECT_EQ(Remembered(*session), (std::vector<std::pair<int64_t, int64_t>>{{0, 0}}));
  Call(*session, 5, 1);
  Call(*session, 9, 2);
  Call(*session, 20, 3);
  const std::vector<std::pair<int64_t, int64_t>> wanted{{0, 0}, {5, 5}, {9, 20}};
  EXPECT_EQ(Remembered(*session), wanted);
  sessions_.Restart();
  EXPECT_EQ(Remembered(*session), wanted);
}

TEST_F(SessionStoreTest, GoesBackToAnEarlierCallAndForgetsWhatCameAfter) {
  const auto session = Open();
  Call(*session, 5, 1, "first");
  Call(*session, 9, 2, "second");
  Call(*session, 20, 3, "third");
  ASSERT_TRUE(session->TryBegin().ok());
  const auto plan = sessions_->Rewind(*session, 5);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->request, nullptr) << "it is there";
  EXPECT_EQ(session->state.position, 5);
  EXPECT_EQ(session->to_upload()[0], 1);
  EXPECT_EQ(session->last_call()->key.request_id, "first");
  session->End(sessions_.now);
  EXPECT_EQ(Remembered(*session), (std::vector<std::pair<int64_t, int64_t>>{{0, 5}}));
  const std::string name = session->name();
  sessions_.Restart();
  EXPECT_EQ(sessions_.Acquire(name, "local")->state.position, 5) << "it was kept";
}

TEST_F(SessionStoreTest, GoesBackIntoTheLastCallByRunningIt) {
  const auto session = Open();
  Call(*session, 5, 1);
  Call(*session, 9, 2);
  ASSERT_TRUE(session->TryBegin().ok());
  const auto inside = sessions_->Rewind(*session, 7);
  ASSERT_TRUE(inside.ok()) << inside.status();
  ASSERT_NE(inside->request, nullptr) << "steps are needed";
  EXPECT_EQ(inside->start->state.position, 5);
  EXPECT_EQ(sessions_->Rewind(*session, 9)->request, nullptr) << "it is there";
  EXPECT_EQ(session->state.position, 9);
  EXPECT_EQ(sessions_->Rewind(*session, 5)->request, nullptr) << "which is kept";
  EXPECT_EQ(session->state.position, 5);
  session->End(sessions_.now);
  EXPECT_EQ(Remembered(*session), (std::vector<std::pair<int64_t, int64_t>>{{0, 0}, {5, 9}}))
      << "it may go forward again";
}

TEST_F(SessionStoreTest, NamesTheNearestPositionThatIsRemembered) {
  const auto session = Open();
  Call(*session, 5, 1);
  Call(*session, 9, 2);
  ASSERT_TRUE(session->TryBegin().ok());
  for (const auto& [position, nearest] : std::map<int64_t, int>{{2, 0}, {4, 5}, {99, 9}}) {
    const absl::Status status = sessions_->Rewind(*session, position).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
    EXPECT_EQ(ErrorReason(status), "POSITION_NOT_REMEMBERED");
    EXPECT_THAT(std::string(status.message()),
                testing::EndsWith(absl::StrFormat("the nearest that it does is %d", nearest)));
  }
}

TEST_F(SessionStoreTest, ImportsAStateAsASessionOfItsOwn) {
  const auto session = Open();
  Call(*session, 5, 1.5f);
  const auto image = sessions_->Image(session->name(), "local");
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->hidden[3], 1.5f);
  const auto view = sessions_->Import(*image, *version_, "mallory", {.seed = 9});
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_NE(view->image.name, session->name());
  const auto imported = sessions_.Acquire(view->image.name, "mallory");
  EXPECT_EQ(imported->state.position, 5);
  EXPECT_EQ(imported->state.seed, 9u);
  EXPECT_EQ(imported->to_upload(), image->hidden);
  ASSERT_TRUE(session->TryBegin().ok());
  EXPECT_EQ(ErrorReason(sessions_->Image(session->name(), "local").status()), "SESSION_BUSY");
}

// Room for three states on the device.
class FullDeviceTest : public SessionStoreTest {
 protected:
  FullDeviceTest() : SessionStoreTest({.device_bytes = 2 * 3 * kStateBytes}) {}
};

TEST_F(FullDeviceTest, TheLeastUsedStateMakesRoomAndComesBack) {
  const auto name = [this](int64_t position) {
    const auto session = Open();
    Call(*session, position, static_cast<float>(position));
    return session->name();
  };
  const std::string first = name(1), second = name(2), third = name(3);
  sessions_.Acquire(first, "local");
  name(4);  // in the place of the second
  EXPECT_EQ(sessions_->counts().on_device, 3);
  EXPECT_EQ(sessions_->counts().left_device, 1);
  EXPECT_EQ(sessions_->Get(first, "local")->tier, v1::SESSION_TIER_DEVICE);
  EXPECT_EQ(sessions_->Get(second, "local")->tier, v1::SESSION_TIER_HOST);
  EXPECT_EQ(sessions_->Get(second, "local")->image.state.position, 2);
  const auto back = sessions_->Acquire(second, "local", "session");
  EXPECT_EQ(back->tier, v1::SESSION_TIER_HOST);
  EXPECT_EQ(back->session->to_upload()[0], 2);
  EXPECT_EQ(sessions_->Get(third, "local")->tier, v1::SESSION_TIER_HOST);
  EXPECT_EQ(sessions_->counts().from_memory, 1);
}

TEST_F(FullDeviceTest, AStateThatACallUsesStays) {
  std::vector<std::shared_ptr<Session>> busy;
  for (int i = 0; i < 3; ++i) busy.push_back(Open());
  const auto view = sessions_->Open(*version_, "local", {});
  ASSERT_TRUE(view.ok()) << "that needs no place";
  const absl::Status status = sessions_->Acquire(view->image.name, "local", "session").status();
  EXPECT_EQ(ErrorReason(status), "DEVICE_MEMORY_FULL");
  EXPECT_TRUE(ErrorRetryDelay(status).has_value());
  EXPECT_THAT(std::string(status.message()), HasSubstr("all 3 places"));
  busy.pop_back();
  EXPECT_EQ(Reason(view->image.name), "");
}

TEST_F(FullDeviceTest, OneThatWasUsedWithoutAChangeIsNotExpiredOnceItMadeRoom) {
  auto session = Open();
  const std::string name = session->name();
  sessions_.now += absl::Hours(23);
  ASSERT_TRUE(session->TryBegin().ok());
  session->End(sessions_.now);
  session.reset();
  for (int i = 0; i < 3; ++i) Open();
  ASSERT_EQ(sessions_->counts().left_device, 1);
  sessions_.now += absl::Hours(2);
  sessions_->RemoveExpired();
  EXPECT_EQ(Reason(name), "");
}

TEST_F(FullDeviceTest, CountsTheBytesOfStatesThatAreHeld) {
  EXPECT_EQ(sessions_->counts().device_bytes, 0);
  auto session = Open();
  EXPECT_EQ(sessions_->counts().device_bytes, kStateBytes);
  auto call = *sessions_->OpenForOneCall(version_, "local", 1);
  EXPECT_EQ(sessions_->counts().device_bytes, 2 * kStateBytes);
  call.reset();
  ASSERT_TRUE(sessions_->Close(session->name(), "local").ok());
  EXPECT_EQ(sessions_->counts().device_bytes, kStateBytes) << "a call may still step the slot";
  session.reset();
  EXPECT_EQ(sessions_->counts().device_bytes, 0);
}

TEST_F(FullDeviceTest, AStateTooLargeForTheDeviceNamesTheOption) {
  StoredSessions small(*backend_, {.device_bytes = kStateBytes});
  small.Add(version_);
  const auto view = small->Open(*version_, "local", {});
  const absl::Status status = small->Acquire(view->image.name, "local", "session").status();
  EXPECT_EQ(ErrorReason(status), "DEVICE_MEMORY_FULL");
  EXPECT_THAT(std::string(status.message()), HasSubstr("--session-device-memory"));
}

TEST_F(SessionStoreTest, AVersionWithSessionsIsRetiredByForceAlone) {
  const auto session = Open();
  Call(*session, 3, 0.5f);
  const std::vector<std::string> versions{version_->version.name()};
  const absl::Status used = sessions_->Retire(versions, /*force=*/false);
  EXPECT_EQ(used.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(used), "MODEL_IN_USE");
  EXPECT_THAT(std::string(used.message()),
              HasSubstr("models/tiny/versions/1 is in use by sessions, 1 in all"));
  EXPECT_EQ(Reason(session->name()), "") << "a refusal changes nothing";

  ASSERT_TRUE(sessions_->Retire(versions, /*force=*/true).ok());
  EXPECT_EQ(ErrorReason(sessions_->Open(*version_, "local", {}).status()), "MODEL_DELETED");
  EXPECT_EQ(sessions_->counts().sessions, 1);
  sessions_.Delete(*version_);
  sessions_->EndSessionsOf(versions);
  EXPECT_TRUE(session->closed());
  EXPECT_EQ(Reason(session->name()), "MODEL_DELETED");
  EXPECT_TRUE(sessions_->Close(session->name(), "local").ok());
  EXPECT_EQ(Reason(session->name()), "SESSION_NOT_FOUND");
}

TEST_F(SessionStoreTest, AVersionThatStaysAfterAllIsAsBefore) {
  const std::vector<std::string> versions{version_->version.name()};
  ASSERT_TRUE(sessions_->Retire(versions, /*force=*/false).ok());
  EXPECT_EQ(ErrorReason(sessions_->OpenForOneCall(version_, "local", 1).status()), "MODEL_DELETED");
  EXPECT_EQ(ErrorReason(sessions_->OpenForCall(version_, "local", {}, "id").status()),
            "MODEL_DELETED");
  sessions_->Unretire(versions);
  EXPECT_TRUE(sessions_->Open(*version_, "local", {}).ok());
}

TEST_F(SessionStoreTest, EitherAVersionIsRetiredOrItGetsSessionsWhoeverIsFirst) {
  const std::vector<std::string> versions{version_->version.name()};
  for (int round = 0; round < 50; ++round) {
    absl::StatusOr<SessionView> opened;
    std::thread opener([&] { opened = sessions_->Open(*version_, "local", {}); });
    const absl::Status retired = sessions_->Retire(versions, /*force=*/false);
    opener.join();
    EXPECT_NE(retired.ok(), opened.ok());
    EXPECT_EQ(sessions_->counts().sessions, opened.ok() ? 1 : 0);
    sessions_->Unretire(versions);
    if (!opened.ok()) continue;
    EXPECT_TRUE(sessions_->Close(opened->image.name, "local").ok());
  }
}

TEST_F(SessionStoreTest, SessionsThatHaveExpiredUseNoVersion) {
  Open();
  sessions_.now += absl::Hours(25);
  EXPECT_TRUE(sessions_->Retire({version_->version.name()}, /*force=*/false).ok());
}

TEST_F(SessionStoreTest, AnotherVersionOfTheSameNumberOfTokensNeverTakesADeletedOnesSessions) {
  const std::string name = Open()->name();
  const std::vector<std::string> versions{version_->version.name()};
  ASSERT_TRUE(sessions_->Retire(versions, /*force=*/true).ok());
  sessions_.Delete(*version_);
  sessions_->EndSessionsOf(versions);
  sessions_.Add(TinyVersion(*backend_, 2));
  EXPECT_EQ(Reason(name), "MODEL_DELETED");
  sessions_.Restart();
  EXPECT_EQ(Reason(name), "MODEL_DELETED");
}

}  // namespace
}  // namespace derin::server
