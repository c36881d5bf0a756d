#include "server/generation/step_batcher.h"

#include "tests/server/generation/stored_sessions.h"
#include "tests/server/generation/tiny_version.h"

namespace derin::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class StepBatcherTest : public testing::Test {
 protected:
  // The calls of the next step, in the order of its rows.
  std::vector<Generation*> NextStep() {
    std::vector<Generation*> step;
    for (const auto& one : batcher_.NextStep()) step.push_back(one.get());
    return step;
  }
  std::shared_ptr<Generation> Add(const std::shared_ptr<const LoadedVersion>& version,
                                  std::shared_ptr<CallerAccount> account = nullptr) {
    auto session = *sessions_->OpenForOneCall(version, "local", 1);
    EXPECT_TRUE(session->TryBegin().ok());
    auto generation = std::make_shared<Generation>(GenerationRequest{.account = std::move(account)},
                                                   session, &sink_);
    batcher_.Add(generation);
    return generation;
  }

  std::unique_ptr<Backend> backend_ = *NewBackend("auto");
  std::shared_ptr<const LoadedVersion> red_ = TinyVersion(*backend_, 1),
                                       blue_ = TinyVersion(*backend_, 2);
  StoredSessions sessions_{*backend_};
  CollectingSink sink_;
  StepBatcher batcher_{3};
};

TEST_F(StepBatcherTest, IsEmptyWithoutCalls) { EXPECT_THAT(NextStep(), IsEmpty()); }

TEST_F(StepBatcherTest, StepsAllCallsOfAVersionTogether) {
  const auto a = Add(red_), b = Add(red_);
  EXPECT_THAT(NextStep(), ElementsAre(a.get(), b.get()));
  EXPECT_THAT(NextStep(), ElementsAre(a.get(), b.get()));
}

TEST_F(StepBatcherTest, VersionsTakeTurns) {
  const auto a = Add(red_), b = Add(blue_), c = Add(red_);
  EXPECT_THAT(NextStep(), ElementsAre(a.get(), c.get()));
  EXPECT_THAT(NextStep(), ElementsAre(b.get()));
  EXPECT_THAT(NextStep(), ElementsAre(a.get(), c.get()));
  EXPECT_THAT(NextStep(), ElementsAre(b.get()));
}

TEST_F(StepBatcherTest, CallsTakeTurnsWhenTheyDoNotAllFit) {
  const auto a = Add(red_), b = Add(red_), c = Add(red_), d = Add(red_), e = Add(red_);
  EXPECT_THAT(NextStep(), ElementsAre(a.get(), b.get(), c.get()));
  EXPECT_THAT(NextStep(), ElementsAre(d.get(), e.get(), a.get()));
  EXPECT_THAT(NextStep(), ElementsAre(b.get(), c.get(), d.get()));
}

TEST_F(StepBatcherTest, ACallerWithoutTokensWaitsForThemAndNobodyElseDoes) {
  absl::Duration now;
  const MonotonicClock clock = [&now] { return now; };
  const auto account = std::make_shared<CallerAccount>(clock);
  account->SetTokensPerMinute(60);
  const auto a = Add(red_, account), b = Add(red_);
  EXPECT_EQ(batcher_.TokenDelay(), absl::ZeroDuration());
  EXPECT_THAT(NextStep(), ElementsAre(a.get(), b.get()));
  account->AddGeneratedTokens(61);
  EXPECT_THAT(NextStep(), ElementsAre(b.get()));
  batcher_.Remove([&](const Generation& one) { return &one == b.get(); });
  EXPECT_THAT(NextStep(), IsEmpty());
  EXPECT_EQ(batcher_.TokenDelay(), absl::Seconds(2));
  now = absl::Seconds(2);
  EXPECT_THAT(NextStep(), ElementsAre(a.get()));
  batcher_.Remove([](const Generation&) { return true; });
  EXPECT_EQ(batcher_.TokenDelay(), absl::InfiniteDuration());
}

TEST_F(StepBatcherTest, NewcomersDoNotStarveAnotherVersion) {
  const auto a = Add(red_), b = Add(blue_);
  EXPECT_THAT(NextStep(), ElementsAre(a.get()));
  const auto c = Add(red_);
  EXPECT_THAT(NextStep(), ElementsAre(b.get()));
  EXPECT_THAT(NextStep(), UnorderedElementsAre(a.get(), c.get()));
}

TEST_F(StepBatcherTest, ACallWithAFullOutboxSitsOutUntilThereIsRoom) {
  const auto a = Add(red_), b = Add(red_);
  while (a->outbox().HasRoom()) a->outbox().Push(1, 1, "text");
  EXPECT_THAT(NextStep(), ElementsAre(b.get()));
  a->outbox().Drain(100);
  EXPECT_THAT(NextStep(), UnorderedElementsAre(a.get(), b.get()));
}

TEST_F(StepBatcherTest, RemovesThoseThatLeave) {
  const auto a = Add(red_), b = Add(red_);
  a->Cancel();
  EXPECT_THAT(batcher_.Remove([](const Generation& one) { return one.cancelled(); }),
              ElementsAre(a));
  EXPECT_EQ(batcher_.size(), 1u);
  EXPECT_THAT(NextStep(), ElementsAre(b.get()));
}

}  // namespace
}  // namespace derin::server
