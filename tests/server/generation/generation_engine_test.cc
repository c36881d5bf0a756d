#include "server/generation/generation_engine.h"

#include <atomic>
#include <deque>

#include "model/backend/host_backend.h"
#include "server/status/error.h"
#include "tests/gpu/eager_backend.h"
#include "tests/server/generation/stored_sessions.h"
#include "tests/server/generation/tiny_version.h"

namespace derin::server {
namespace {

// A call with its sink, started in an engine.
struct Call {
  CollectingSink sink;
  std::shared_ptr<Generation> generation;
  std::atomic<bool> reading = true;
};

class GenerationEngineTest : public testing::Test {
 protected:
  std::shared_ptr<Session> Open(uint64_t seed) { return sessions_.Open(version_, "local", seed); }

  // Starts a call in `session`; what it is sent counts as written while `reading`.
  Call& Start(std::shared_ptr<Session> session, int64_t max_tokens, bool reading = true,
              std::shared_ptr<CallerAccount> account = nullptr) {
    Call& call = calls_.emplace_back();
    call.reading = reading;
    EXPECT_TRUE(session->TryBegin().ok());
    call.generation = std::make_shared<Generation>(GenerationRequest{.prompt = {1, 2, 3},
                                                                     .max_tokens = max_tokens,
                                                                     .arrival = engine_->Now(),
                                                                     .account = std::move(account)},
                                                   std::move(session), &call.sink);
    call.sink.set_written([this, &call] {
      if (call.reading) engine_->Written(call.generation.get());
    });
    EXPECT_TRUE(engine_->Start(call.generation).ok());
    return call;
  }

  std::unique_ptr<Backend> backend_ = *NewBackend("auto");
  std::shared_ptr<const LoadedVersion> version_ = TinyVersion(*backend_);
  ServerMetrics metrics_;
  StoredSessions sessions_{*backend_};
  std::deque<Call> calls_;
  std::unique_ptr<GenerationEngine> engine_ = *GenerationEngine::Create(
      *backend_, *sessions_, metrics_, {.max_streams = 40, .max_rows = 16});
};

TEST_F(GenerationEngineTest, DrawsAsManyTokensAsAskedFor) {
  Call& call = Start(Open(1), 30);
  const StreamEnd end = call.sink.AwaitEnd();
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->finish_reason(), v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(end->generated_tokens(), 30);
  EXPECT_EQ(call.sink.tokens().size(), 30u);
  EXPECT_EQ(call.sink.text().size(), 30u) << "the letters a to h are one byte each";
}

TEST_F(GenerationEngineTest, ManySessionsTogetherGetWhatEachGetsAlone) {
  std::vector<Call*> together;
  for (uint64_t seed = 0; seed < 40; ++seed) together.push_back(&Start(Open(seed), 50));
  for (Call* call : together) ASSERT_TRUE(call->sink.AwaitEnd().ok());
  for (uint64_t seed = 0; seed < 40; seed += 7) {
    Call& alone = Start(Open(seed), 50);
    ASSERT_TRUE(alone.sink.AwaitEnd().ok());
    EXPECT_EQ(alone.sink.text(), together[seed]->sink.text()) << "seed " << seed;
  }
}

TEST_F(GenerationEngineTest, CountsTheTokensOfACaller) {
  const MonotonicClock clock = SystemMonotonicClock();
  const auto account = std::make_shared<CallerAccount>(clock);
  Call& call = Start(Open(1), 30, /*reading=*/true, account);
  ASSERT_TRUE(call.sink.AwaitEnd().ok());
  EXPECT_EQ(account->figures().generated_tokens, 30);
  EXPECT_EQ(account->figures().prompt_tokens, 3);
}

TEST_F(GenerationEngineTest, ATextWhoseCallerHasNoTokensLeftWaitsAndGoesOnTheSame) {
  Call& free = Start(Open(5), 300);
  ASSERT_TRUE(free.sink.AwaitEnd().ok());
  std::atomic<int64_t> minutes = 0;
  const MonotonicClock clock = [&minutes] { return minutes.load() * absl::Minutes(1); };
  const auto account = std::make_shared<CallerAccount>(clock);
  account->SetTokensPerMinute(40);
  Call& call = Start(Open(5), 300, /*reading=*/true, account);
  // A minute passes whenever the tokens of the one before are used up.
  while (account->figures().generated_tokens < 300) {
    if (account->TokenDelay() == absl::ZeroDuration()) continue;
    ++minutes;
    engine_->Wake();
  }
  ASSERT_TRUE(call.sink.AwaitEnd().ok());
  EXPECT_EQ(call.sink.text(), free.sink.text());
  EXPECT_GE(minutes, 4) << "303 tokens, of which a trip may take some too many at once";
}

TEST_F(GenerationEngineTest, ATextThatWaitsForTokensCanBeEnded) {
  const MonotonicClock clock = [] { return absl::ZeroDuration(); };
  const auto account = std::make_shared<CallerAccount>(clock);
  account->SetTokensPerMinute(1);
  Call& cancelled = Start(Open(1), 300, /*reading=*/true, account);
  Call& stopped = Start(Open(2), 300, /*reading=*/true, account);
  cancelled.generation->Cancel();
  engine_->Wake();
  EXPECT_TRUE(absl::IsCancelled(cancelled.sink.AwaitEnd().status()));
  engine_->EndAll();
  const StreamEnd end = stopped.sink.AwaitEnd();
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->finish_reason(), v1::FINISH_REASON_SERVER_STOPPING);
}

TEST_F(GenerationEngineTest, EchoesAPromptLongerThanItsOutbox) {
  auto session = Open(1);
  ASSERT_TRUE(session->TryBegin().ok());
  Call& call = calls_.emplace_back();
  GenerationRequest request{.max_tokens = 2};
  std::string prompt;
  for (int i = 0; i < 5000; ++i) {
    request.prompt.push_back(1 + i % 8);
    version_->tokenizer.AppendBytes(1 + i % 8, prompt);
  }
  request.echo = true;
  call.generation = std::make_shared<Generation>(std::move(request), session, &call.sink);
  call.sink.set_written([&] { engine_->Written(call.generation.get()); });
  ASSERT_TRUE(engine_->Start(call.generation).ok());
  ASSERT_TRUE(call.sink.AwaitEnd().ok());
  EXPECT_EQ(call.sink.text().substr(0, prompt.size()), prompt);
  EXPECT_EQ(call.sink.text().size(), prompt.size() + 2);
  EXPECT_EQ(call.sink.tokens().size(), 2u);
}

TEST_F(GenerationEngineTest, EchoesNothingWhereThePromptIsNothing) {
  auto session = Open(1);  // its text begins after `<unk>`, which is nobody's
  ASSERT_TRUE(session->TryBegin().ok());
  Call& call = calls_.emplace_back();
  GenerationRequest request{.max_tokens = 3};
  request.echo = true;
  call.generation = std::make_shared<Generation>(std::move(request), session, &call.sink);
  call.sink.set_written([&] { engine_->Written(call.generation.get()); });
  ASSERT_TRUE(engine_->Start(call.generation).ok());
  ASSERT_TRUE(call.sink.AwaitEnd().ok());
  EXPECT_EQ(call.sink.text().size(), 3u);
}

TEST_F(GenerationEngineTest, TwoCallsInASessionGoOnWhereOneWouldHave) {
  Call& whole = Start(Open(9), 40);
  ASSERT_TRUE(whole.sink.AwaitEnd().ok());

  auto session = Open(9);
  Call& first = Start(session, 15);
  ASSERT_TRUE(first.sink.AwaitEnd().ok());
  ASSERT_TRUE(session->TryBegin().ok());
  Call& second = calls_.emplace_back();
  second.generation =
      std::make_shared<Generation>(GenerationRequest{.max_tokens = 25}, session, &second.sink);
  second.sink.set_written([&] { engine_->Written(second.generation.get()); });
  ASSERT_TRUE(engine_->Start(second.generation).ok());
  ASSERT_TRUE(second.sink.AwaitEnd().ok());
  EXPECT_EQ(first.sink.text() + second.sink.text(), whole.sink.text());
}

TEST_F(GenerationEngineTest, ACallsSeedIsItsSessionsFromThereOn) {
  Call& other = Start(Open(7), 30);
  ASSERT_TRUE(other.sink.AwaitEnd().ok());
  auto session = Open(1);
  ASSERT_TRUE(session->TryBegin().ok());
  Call& call = calls_.emplace_back();
  call.generation = std::make_shared<Generation>(
      GenerationRequest{.prompt = {1, 2, 3}, .max_tokens = 30, .seed = 7}, session, &call.sink);
  call.sink.set_written([&] { engine_->Written(call.generation.get()); });
  ASSERT_TRUE(engine_->Start(call.generation).ok());
  ASSERT_TRUE(call.sink.AwaitEnd().ok());
  EXPECT_EQ(call.sink.text(), other.sink.text());
  EXPECT_EQ(session->state.seed, 7u);
}

TEST_F(GenerationEngineTest, AClientThatLeavesFreesItsSession) {
  auto session = Open(1);
  Call& call = Start(session, 1'000'000);
  call.sink.AwaitTokens(1);
  call.generation->Cancel();
  engine_->Wake();
  EXPECT_EQ(call.sink.AwaitEnd().status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(session->TryBegin().ok());
  session->End(absl::Now());
}

TEST_F(GenerationEngineTest, AClosedSessionEndsItsStream) {
  auto session = Open(1);
  Call& call = Start(session, 1'000'000);
  call.sink.AwaitTokens(1);
  ASSERT_TRUE(sessions_->Close(session->name(), "local").ok());
  engine_->Wake();
  EXPECT_EQ(call.sink.AwaitEnd()->finish_reason(), v1::FINISH_REASON_SESSION_CLOSED);
}

TEST_F(GenerationEngineTest, ASlowReaderStopsOnlyItsOwnSequence) {
  // Nothing that is sent to it is ever written, so its outbox fills; the other call is not held up.
  Call& slow = Start(Open(1), 1'000'000, /*reading=*/false);
  slow.sink.AwaitTokens(1);
  Call& other = Start(Open(2), 3000);
  EXPECT_TRUE(other.sink.AwaitEnd().ok());
  slow.generation->Cancel();
  engine_->Wake();
  slow.reading = true;
  engine_->Written(slow.generation.get());
  (void)slow.sink.AwaitEnd();
  // A message of at most 4 KiB on its way and as much in the outbox, with 5 bytes for each token.
  EXPECT_LE(slow.sink.tokens().size(), 2u * 4096 / 5);
}

TEST_F(GenerationEngineTest, EndAllEndsStreamsWithTheirPositionAndTakesNoMore) {
  auto session = Open(1);
  Call& call = Start(session, 1'000'000);
  call.sink.AwaitTokens(1);
  engine_->EndAll();
  const StreamEnd end = call.sink.AwaitEnd();
  EXPECT_EQ(end->finish_reason(), v1::FINISH_REASON_SERVER_STOPPING);
  EXPECT_EQ(end->position(), 3 + end->generated_tokens() - 1);
  ASSERT_TRUE(session->TryBegin().ok());
  const absl::Status late =
      engine_->Start(std::make_shared<Generation>(GenerationRequest{}, session, &call.sink));
  EXPECT_EQ(late.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(late), "SERVER_STOPPING");
}

TEST_F(GenerationEngineTest, RefusesOneStreamTooMany) {
  for (uint64_t seed = 0; seed < 40; ++seed) Start(Open(seed), 1'000'000);
  auto session = Open(99);
  ASSERT_TRUE(session->TryBegin().ok());
  CollectingSink sink;
  const absl::Status status =
      engine_->Start(std::make_shared<Generation>(GenerationRequest{.seed = 5}, session, &sink));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), "STREAMS_FULL");
  EXPECT_TRUE(session->TryBegin().ok()) << "the session was given back";
  EXPECT_EQ(session->state.seed, 99u) << "and has the seed that it had";
  session->End(absl::Now());
  engine_->EndAll();
  for (Call& call : calls_) (void)call.sink.AwaitEnd();
}

// A clock that stops the engine wherever it looks at it, until it is let go on.
class Turnstile {
 public:
  explicit Turnstile(int passes) : passes_(passes) {}

  absl::Duration Pass() {
    absl::MutexLock lock(&mutex_);
    ++arrived_;
    const auto may_pass = [this]()
                              ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return arrived_ <= passes_; };
    mutex_.Await(absl::Condition(&may_pass));
    return absl::Milliseconds(arrived_);
  }
  void Let(int passes) {
    absl::MutexLock lock(&mutex_);
    passes_ = passes;
  }
  void AwaitArrival(int count) {
    absl::MutexLock lock(&mutex_);
    const auto arrived = [this, count]()
                             ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return arrived_ >= count; };
    mutex_.Await(absl::Condition(&arrived));
  }

 private:
  absl::Mutex mutex_;
  int passes_ ABSL_GUARDED_BY(mutex_);
  int arrived_ ABSL_GUARDED_BY(mutex_) = 0;
};

TEST_F(GenerationEngineTest, ACallWaitsUntilItsFirstStepAndIsActiveAfterIt) {
  const auto value = [](const CallbackGauge& gauge) {
    return gauge.Collect().metric.at(0).gauge.value;
  };
  // The test asks for the time once, the engine at both ends of a step.
  Turnstile turnstile(1);
  ServerMetrics metrics;
  engine_ = *GenerationEngine::Create(*backend_, *sessions_, metrics, {},
                                      [&] { return turnstile.Pass(); });
  Call& call = Start(Open(1), 10);
  turnstile.AwaitArrival(2);
  EXPECT_EQ(value(metrics.generation_waiting), 1);
  EXPECT_EQ(value(metrics.generation_active), 0);
  turnstile.Let(3);
  turnstile.AwaitArrival(4);
  EXPECT_EQ(value(metrics.generation_waiting), 0);
  EXPECT_EQ(value(metrics.generation_active), 1);
  turnstile.Let(1000);
  EXPECT_TRUE(call.sink.AwaitEnd().ok());
  engine_.reset();
}

TEST_F(GenerationEngineTest, ACallEndsAtTheFirstTokenAfterItsTime) {
  // Each look at the clock takes a second: one for the arrival, two for each step.
  std::atomic<int> seconds = 0;
  engine_ = *GenerationEngine::Create(*backend_, *sessions_, metrics_, {},
                                      [&seconds] { return absl::Seconds(++seconds); });
  auto session = Open(1);
  ASSERT_TRUE(session->TryBegin().ok());
  Call& call = calls_.emplace_back();
  call.generation = std::make_shared<Generation>(
      GenerationRequest{
          .max_tokens = 1'000'000, .time_budget = absl::Seconds(9), .arrival = engine_->Now()},
      session, &call.sink);
  call.sink.set_written([&] { engine_->Written(call.generation.get()); });
  ASSERT_TRUE(engine_->Start(call.generation).ok());
  const StreamEnd end = call.sink.AwaitEnd();
  EXPECT_EQ(end->finish_reason(), v1::FINISH_REASON_TIME);
  EXPECT_EQ(end->generated_tokens(), 5);
  engine_.reset();
}

TEST_F(GenerationEngineTest, ALongMessageIntervalHoldsNobodyUp) {
  auto session = Open(1);
  ASSERT_TRUE(session->TryBegin().ok());
  Call& call = calls_.emplace_back();
  call.generation = std::make_shared<Generation>(
      GenerationRequest{.max_tokens = 5000, .message_interval = absl::Hours(1)}, session,
      &call.sink);
  call.sink.set_written([&] { engine_->Written(call.generation.get()); });
  ASSERT_TRUE(engine_->Start(call.generation).ok());
  // 5,000 tokens of 17 bytes fill an outbox 21 times; waiting for the interval even once takes for
  // ever.
  ASSERT_TRUE(call.sink.AwaitEnd().ok());
  EXPECT_EQ(call.sink.tokens().size(), 5000u);
  EXPECT_LE(call.sink.pieces(), 25);
}

TEST_F(GenerationEngineTest, TwoVersionsAreServedSideBySide) {
  const auto other = TinyVersion(*backend_, 2);
  Call& first = Start(Open(1), 200);
  Call& second = Start(sessions_.Open(other, "local", 1), 200);
  EXPECT_TRUE(first.sink.AwaitEnd().ok());
  EXPECT_TRUE(second.sink.AwaitEnd().ok());
  EXPECT_NE(first.sink.text(), second.sink.text());
}

class ReplayTest : public GenerationEngineTest {
 protected:
  // `request` in `session`, as a service starts it.
  Call& StartCall(std::shared_ptr<Session> session, GenerationRequest request) {
    Call& call = calls_.emplace_back();
    const auto replays =
        session->TryBeginCall(request.key, request.must_replay, request.expected_position);
    EXPECT_TRUE(replays.ok()) << replays.status();
    std::shared_ptr<const SessionImage> start;
    if (*replays) start = *sessions_->StartOfLastCall(*session);
    call.generation = std::make_shared<Generation>(std::move(request), std::move(session),
                                                   &call.sink, std::move(start));
    call.sink.set_written([this, &call] { engine_->Written(call.generation.get()); });
    EXPECT_TRUE(engine_->Start(call.generation).ok());
    return call;
  }
};

TEST_F(ReplayTest, ACallMadeAgainHasTheSameTextAndTheSessionGoesOnAfterIt) {
  auto session = Open(3), other = Open(3);
  const GenerationRequest first{.prompt = {1, 2}, .max_tokens = 10};
  ASSERT_TRUE(StartCall(session, first).sink.AwaitEnd().ok());
  ASSERT_TRUE(StartCall(other, first).sink.AwaitEnd().ok());
  const GenerationRequest request{
      .prompt = {4}, .max_tokens = 20, .key = {"again", "digest"}, .seed = 9};
  Call& call = StartCall(session, request);
  ASSERT_TRUE(call.sink.AwaitEnd().ok());
  ASSERT_TRUE(StartCall(other, request).sink.AwaitEnd().ok());
  for (int i = 0; i < 3; ++i) {
    Call& again = StartCall(session, request);
    const StreamEnd end = again.sink.AwaitEnd();
    ASSERT_TRUE(end.ok()) << end.status();
    EXPECT_EQ(again.sink.text(), call.sink.text());
    EXPECT_EQ(end->position(), 32);
  }
  Call& next = StartCall(session, {.max_tokens = 30});
  Call& alone = StartCall(other, {.max_tokens = 30});
  ASSERT_TRUE(next.sink.AwaitEnd().ok());
  ASSERT_TRUE(alone.sink.AwaitEnd().ok());
  EXPECT_EQ(next.sink.text(), alone.sink.text());
}

TEST_F(ReplayTest, ACallMadeAgainTakesOverTheOneThatRuns) {
  auto session = Open(3);
  GenerationRequest request{.max_tokens = 1'000'000, .key = {"again", "digest"}};
  Call& first = StartCall(session, request);
  first.sink.AwaitTokens(5);
  request.must_replay = true;
  request.resume_after = 5;
  Call& second = StartCall(session, request);
  const StreamEnd end = first.sink.AwaitEnd();
  EXPECT_EQ(end.status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ErrorReason(end.status()), "CALL_TAKEN_OVER");
  second.sink.AwaitTokens(100);
  EXPECT_EQ(ErrorReason(session->TryBegin()), "SESSION_BUSY");
  EXPECT_EQ(engine_->streams(), 1);
  second.generation->Cancel();
  engine_->Wake();
  EXPECT_EQ(second.sink.AwaitEnd().status().code(), absl::StatusCode::kCancelled);
  const std::string whole = first.sink.text();
  const std::string both = whole.substr(0, 5) + second.sink.text();
  const size_t common = std::min(whole.size(), both.size());
  EXPECT_EQ(both.substr(0, common), whole.substr(0, common)) << "nothing is lost or doubled";
  EXPECT_TRUE(session->TryBegin().ok());
  session->End(absl::Now());
}

TEST_F(GenerationEngineTest, StartsAllOfSeveralCallsOrNone) {
  for (uint64_t seed = 0; seed < 38; ++seed) Start(Open(seed), 1'000'000);
  std::vector<std::shared_ptr<Generation>> three;
  for (int i = 0; i < 3; ++i) {
    Call& call = calls_.emplace_back();
    auto session = Open(50 + i);
    ASSERT_TRUE(session->TryBegin().ok());
    three.push_back(
        std::make_shared<Generation>(GenerationRequest{.max_tokens = 5}, session, &call.sink));
    call.generation = three.back();
    call.sink.set_written([this, &call] { engine_->Written(call.generation.get()); });
  }
  EXPECT_EQ(ErrorReason(engine_->StartAll(three)), "STREAMS_FULL");
  EXPECT_EQ(engine_->streams(), 38);
  for (const auto& one : three) EXPECT_TRUE(one->session().TryBegin().ok()) << "it was given back";
  three.pop_back();
  ASSERT_TRUE(engine_->StartAll(three).ok());
  EXPECT_TRUE(calls_[38].sink.AwaitEnd().ok());
  EXPECT_TRUE(calls_[39].sink.AwaitEnd().ok());
  engine_->EndAll();
  for (size_t i = 0; i < 38; ++i) (void)calls_[i].sink.AwaitEnd();
}

// Counts what is drawn, and how often that is brought to the host.
class CountingBackend : public EagerBackend {
 public:
  explicit CountingBackend(Backend& backend) : EagerBackend(backend) {}
  void Sample(Queue& queue, View logits, const SampleViews& views) override {
    ++draws;
    EagerBackend::Sample(queue, logits, views);
  }
  // In with what is wanted, out with what was drawn.
  void Copy(Queue& queue, View from, View to) override {
    ++copies;
    EagerBackend::Copy(queue, from, to);
  }
  std::atomic<int> draws = 0, copies = 0;
};

class TripTest : public testing::Test {
 protected:
  // A call of at most 33 draws, alone.
  struct Run {
    std::string text;
    size_t tokens;
    int draws, trips;
  };
  Run Generate(const std::shared_ptr<Session>& session, GenerationRequest request) {
    EXPECT_TRUE(session->TryBegin().ok());
    CollectingSink sink;
    request.max_tokens = 33;
    auto generation = std::make_shared<Generation>(std::move(request), session, &sink);
    sink.set_written([&] { engine_->Written(generation.get()); });
    const int draws = backend_.draws, copies = backend_.copies;
    EXPECT_TRUE(engine_->Start(generation).ok());
    EXPECT_TRUE(sink.AwaitEnd().ok());
    return {sink.text(), sink.tokens().size(), backend_.draws - draws,
            (backend_.copies - copies) / 2};
  }
  // Steps for each trip to the device in a call of 33 draws.
  double StepsOfTrip(GenerationRequest request) {
    const Run run = Generate(sessions_.Open(version_, "local", 1), std::move(request));
    EXPECT_EQ(run.tokens, 33u);
    return 1.0 * run.draws / run.trips;
  }

  std::unique_ptr<Backend> inner_ = *NewBackend("auto");
  CountingBackend backend_{*inner_};
  std::shared_ptr<const LoadedVersion> version_ = TinyVersion(backend_);
  ServerMetrics metrics_;
  StoredSessions sessions_{backend_};
  absl::Duration step_time_ = absl::Microseconds(10);
  absl::Duration now_;
  // Each look at the clock, before and after a trip, is a step later.
  std::unique_ptr<GenerationEngine> engine_ =
      *GenerationEngine::Create(backend_, *sessions_, metrics_, {.max_streams = 32, .max_rows = 32},
                                [this] { return now_ += step_time_; });
};

TEST_F(TripTest, TakesSeveralStepsWhereNobodyHasToLook) {
  // The first step alone, since nothing is known of its time; then 4 times 8.
  EXPECT_EQ(StepsOfTrip({}), 33.0 / 5);
}

TEST_F(TripTest, OfTextsThatGoWithTheirCallsIsNotShortenedByTheEndOfOne) {
  for (const bool lasts : {false, true}) {
    constexpr int kTexts = 32;
    std::deque<CollectingSink> sinks(kTexts);
    std::vector<std::shared_ptr<Generation>> generations;
    for (int i = 0; i < kTexts; ++i) {
      const auto session = lasts ? sessions_.Open(version_, "local", 1)
                                 : sessions_->OpenForOneCall(version_, "local", 1).value();
      ASSERT_TRUE(session->TryBegin().ok());
      generations.push_back(std::make_shared<Generation>(
          GenerationRequest{.max_tokens = i == 0 ? 5 : 33}, session, &sinks[i]));
      sinks[i].set_written([this, one = generations[i].get()] { engine_->Written(one); });
    }
    const int copies = backend_.copies;
    ASSERT_TRUE(engine_->StartAll(generations).ok());
    for (CollectingSink& sink : sinks) ASSERT_TRUE(sink.AwaitEnd().ok());
    // 1, and then 8 each; of sessions that last 1, 4 to the end of one, 8, 8, 8 and 4.
    EXPECT_EQ((backend_.copies - copies) / 2, lasts ? 6 : 5);
    EXPECT_EQ(sinks[0].tokens().size(), 5u);
    EXPECT_EQ(sinks[1].tokens().size(), 33u);
    EXPECT_EQ(sinks[0].text(), sinks[1].text().substr(0, sinks[0].text().size()));
  }
}

TEST_F(TripTest, OfATextThatGoesWithItsCallEndsWhereAStopIsFound) {
  const auto generate = [this](GenerationRequest request) {
    return Generate(sessions_->OpenForOneCall(version_, "local", 1).value(), std::move(request));
  };
  const Run whole = generate({});
  EXPECT_EQ(whole.trips, 5);
  const std::string stop = whole.text.substr(10, 3);
  const size_t at = whole.text.find(stop);
  const Run stopped = generate({.stop_strings = {stop}, .stop_names = {stop}});
  EXPECT_EQ(stopped.text, whole.text.substr(0, at));
  EXPECT_LE(stopped.trips, 3) << "one step, then eights";
}

TEST_F(TripTest, TakesOneStepWhereWhatIsDrawnDecides) {
  EXPECT_EQ(StepsOfTrip({.stop_strings = {"no such text"}, .stop_names = {"no such text"}}), 1);
  EXPECT_EQ(StepsOfTrip({.stop_tokens = {0}}), 1);
  EXPECT_EQ(StepsOfTrip({.rules = {.penalty_window = 8}}), 1);
  EXPECT_EQ(StepsOfTrip({.ranked = 2}), 1);
}

// Has no memory for the next upload.
class FullOnceBackend : public EagerBackend {
 public:
  explicit FullOnceBackend(Backend& backend) : EagerBackend(backend) {}
  void Upload(Queue& queue, const void* from, View to) override {
    if (full.exchange(false)) {
      static_cast<HostQueue&>(queue).Fail(absl::ResourceExhaustedError("no memory"));
    }
    EagerBackend::Upload(queue, from, to);
  }
  std::atomic<bool> full = false;
};

class FailedStepTest : public testing::Test {
 protected:
  // The text of `max_tokens` in `session`, or why there is none.
  absl::StatusOr<std::string> Generate(const std::shared_ptr<Session>& session,
                                       int64_t max_tokens) {
    if (absl::Status begun = session->TryBegin(); !begun.ok()) return begun;
    CollectingSink sink;
    auto generation =
        std::make_shared<Generation>(GenerationRequest{.max_tokens = max_tokens}, session, &sink);
    sink.set_written([&] { engine_->Written(generation.get()); });
    EXPECT_TRUE(engine_->Start(generation).ok());
    const StreamEnd end = sink.AwaitEnd();
    if (!end.ok()) return end.status();
    return sink.text();
  }
  std::unique_ptr<GenerationEngine> NewEngine() {
    return *GenerationEngine::Create(backend_, *sessions_, metrics_,
                                     {.max_streams = 4, .max_rows = 4});
  }
  // No session is on the device.
  void Restart() {
    engine_ = nullptr;  // it uses the store
    sessions_.Restart();
    engine_ = NewEngine();
  }

  std::unique_ptr<Backend> inner_ = *NewBackend("auto");
  FullOnceBackend backend_{*inner_};
  std::shared_ptr<const LoadedVersion> version_ = TinyVersion(backend_);
  ServerMetrics metrics_;
  StoredSessions sessions_{backend_};
  std::unique_ptr<GenerationEngine> engine_ = NewEngine();
};

TEST_F(FailedStepTest, EndsItsCallsAndLeavesTheirSessionsAndTheEngineWhole) {
  const std::string whole = *Generate(sessions_.Open(version_, "local", 1), 20);
  auto session = sessions_.Open(version_, "local", 1);
  const std::string name = session->name();
  EXPECT_EQ(*Generate(session, 8), whole.substr(0, 8));
  // Off the device and back: its state has to be brought there, where somebody else's is now.
  session = nullptr;
  Restart();
  ASSERT_TRUE(Generate(sessions_.Open(version_, "local", 2), 5).ok());
  session = sessions_.Acquire(name, "local");
  backend_.full = true;
  EXPECT_EQ(Generate(session, 5).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(Generate(sessions_.Open(version_, "local", 3), 5).ok()) << "others go on";
  // What is kept of it is what was, and so is what goes on.
  session = nullptr;
  Restart();
  EXPECT_EQ(*Generate(sessions_.Acquire(name, "local"), 12), whole.substr(8));
}

class LongStepTest : public TripTest {
 protected:
  LongStepTest() { step_time_ = absl::Milliseconds(3); }
};

TEST_F(LongStepTest, TakesOneStepWhenItIsLong) { EXPECT_EQ(StepsOfTrip({}), 1); }

}  // namespace
}  // namespace derin::server
