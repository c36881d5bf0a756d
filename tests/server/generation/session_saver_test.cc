#include "server/generation/session_saver.h"

#include <deque>
#include <memory>
#include <vector>

#include "absl/synchronization/notification.h"
#include "tests/server/generation/stored_sessions.h"
#include "tests/server/generation/tiny_version.h"

namespace derin::server {
namespace {

// Keeps nothing, and says so.
class FakeKeeper : public SessionKeeper {
 public:
  absl::Status Keep(Session& session) override {
    absl::MutexLock lock(&mutex);
    mutex.Await(absl::Condition(&may_keep));
    kept.push_back(&session);
    return result;
  }
  absl::Status Sync() override {
    absl::MutexLock lock(&mutex);
    ++syncs;
    return sync_result;
  }

  absl::Mutex mutex;
  bool may_keep = true;
  std::vector<Session*> kept;
  int syncs = 0;
  absl::Status result, sync_result;
};

class SessionSaverTest : public testing::Test {
 protected:
  // A call in a session of its own that has drawn its tokens.
  std::shared_ptr<Generation> Ended(v1::Durability durability = v1::DURABILITY_PROCESS) {
    auto session = sessions_.Open(version_, "local", 1, durability);
    EXPECT_TRUE(session->TryBegin().ok());
    auto call = std::make_shared<Generation>(GenerationRequest{}, session, &sink_);
    call->Finish(v1::FINISH_REASON_LENGTH);
    return call;
  }
  // `calls` all kept, and back from the saver.
  void Save(std::vector<std::shared_ptr<Generation>> calls) {
    SessionSaver saver(keeper_, [this](absl::Span<const std::shared_ptr<Generation>> kept) {
      for (const auto& one : kept) back_.push_back(one.get());
    });
    saver.Add(calls);
  }

  std::unique_ptr<Backend> backend_ = *NewBackend("auto");
  std::shared_ptr<const LoadedVersion> version_ = TinyVersion(*backend_);
  StoredSessions sessions_{*backend_};
  CollectingSink sink_;
  FakeKeeper keeper_;
  std::vector<const Generation*> back_;
};

TEST_F(SessionSaverTest, KeepsEachSessionBeforeItsCallHasItsEnd) {
  const auto first = Ended(), second = Ended();
  Save({first, second});
  EXPECT_THAT(keeper_.kept, testing::ElementsAre(&first->session(), &second->session()));
  EXPECT_THAT(back_, testing::ElementsAre(first.get(), second.get()));
  EXPECT_EQ(keeper_.syncs, 0);
  EXPECT_TRUE(first->outbox().Drain(1).end->ok());
  EXPECT_TRUE(first->session().TryBegin().ok()) << "it was given back";
}

TEST_F(SessionSaverTest, TellsTheCallWhatWentWrong) {
  const auto call = Ended();
  keeper_.result = absl::ResourceExhaustedError("disk");
  Save({call});
  EXPECT_EQ(call->outbox().Drain(1).end->status().message(), "disk");
  EXPECT_TRUE(call->session().TryBegin().ok());
}

TEST_F(SessionSaverTest, OneSyncServesAllThatAreToOutliveALossOfPower) {
  const auto first = Ended(v1::DURABILITY_POWER), second = Ended(),
             third = Ended(v1::DURABILITY_POWER);
  Save({first, second, third});
  EXPECT_EQ(keeper_.syncs, 1);
  EXPECT_THAT(back_, testing::ElementsAre(second.get(), first.get(), third.get()))
      << "who needs no sync does not wait for it";
}

TEST_F(SessionSaverTest, ASyncThatFailsIsTold) {
  const auto call = Ended(v1::DURABILITY_POWER);
  keeper_.sync_result = absl::UnavailableError("device");
  Save({call});
  EXPECT_EQ(call->outbox().Drain(1).end->status().message(), "device");
}

TEST_F(SessionSaverTest, KnowsWhichSessionsAreNotKeptYet) {
  const auto call = Ended();
  keeper_.may_keep = false;
  absl::Notification kept;
  SessionSaver saver(keeper_,
                     [&](absl::Span<const std::shared_ptr<Generation>>) { kept.Notify(); });
  saver.Add({&call, 1});
  EXPECT_TRUE(saver.Has(call->session()));
  {
    absl::MutexLock lock(&keeper_.mutex);
    keeper_.may_keep = true;
  }
  kept.WaitForNotification();
  EXPECT_FALSE(saver.Has(call->session()));
}

}  // namespace
}  // namespace derin::server
