#pragma once

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/sampling/philox.h"
#include "server/generation/generation_engine.h"
#include "server/status/error.h"
#include "tests/server/generation/solo_session.h"

namespace derin::server {

// Sessions of many callers, in one engine, under random operations: open, generate (with prompts,
// stops, penalties, other seeds), leave in the middle, make a call again (also one that still
// runs), rewind, score, fork, close. Each call's text, tokens, end and position must be those of
// its session alone.
class SessionInterleaving {
 public:
  // At least `least` sessions at a time, and some more.
  explicit SessionInterleaving(uint64_t seed, uint32_t least = 3) : seed_(seed), least_(least) {}

  void Run(int operations) {
    for (int i = 0; i < operations && !testing::Test::HasFailure(); ++i) {
      SCOPED_TRACE(testing::Message() << "seed " << seed_ << ", operation " << i);
      DoSomething();
    }
    while (!talks_.empty() && !testing::Test::HasFailure()) {
      if (talks_.back().call != nullptr) AwaitEnd(talks_.back());
      talks_.pop_back();
    }
  }

 private:
  struct Call {
    CollectingSink sink;
    GenerationRequest request;
    std::shared_ptr<Generation> generation;
    bool broken = false;
  };
  // A session with what it should be, and the call in it.
  struct Talk {
    std::shared_ptr<Session> session;
    SoloSession alone;
    std::unique_ptr<Call> call;
    bool closed = false;
    // What it was when its last call began, that call, and the farthest that it came.
    SoloSession start;
    std::optional<GenerationRequest> last;
    int64_t end = 0;
  };

  uint32_t Below(uint32_t bound) {
    return IntegerBelow(Philox4x32({{drawn_++, 0, 0, 42}}, seed_).word[0], bound);
  }
  std::string Letters(uint32_t count) {
    std::string text;
    for (uint32_t i = 0; i < count; ++i) text += static_cast<char>('a' + Below(8));
    return text;
  }
  static std::string Owner(uint32_t number) { return std::string("caller-") + char('0' + number); }

  void DoSomething() {
    const auto size = static_cast<uint32_t>(talks_.size());
    if (size < least_ || (size < least_ + 5 && Below(6) == 0)) return Open();
    Talk& talk = talks_[Below(static_cast<uint32_t>(talks_.size()))];
    const uint32_t kind = Below(14);
    if (talk.call == nullptr) {
      if (kind < 6) return Start(talk);
      if (kind < 8) return Fork(talk);
      if (kind == 8) return Close(talk);
      if (kind < 11) return Again(talk);
      if (kind < 13) return Rewind(talk);
      return Score(talk);
    }
    if (kind < 5) return AwaitEnd(talk);
    if (kind < 7) return Leave(talk);
    if (kind == 7) return Close(talk);
    if (kind < 11) return Again(talk);
    ExpectBusy(talk);
  }

  void Open() {
    const uint64_t seed = Below(1000);
    auto session = store_.Open(version_, Owner(Below(3)), seed);
    ASSERT_TRUE(session.ok()) << session.status();
    talks_.push_back({.session = *session, .alone = {.seed = seed}, .start = {}});
  }

  GenerationRequest Request() {
    GenerationRequest request;
    for (uint32_t n = Below(2) * Below(5); n > 0; --n) {
      request.prompt.push_back(1 + static_cast<int32_t>(Below(8)));
    }
    request.max_tokens = Below(4) == 0 ? 500 : 1 + Below(20);
    for (uint32_t n = Below(2) * Below(4); n > 0; --n) {
      request.stop_strings.push_back(Letters(1 + Below(3)));
    }
    request.stop_names = request.stop_strings;
    if (Below(5) == 0) request.stop_tokens = {1 + static_cast<int32_t>(Below(8))};
    const bool stops = !request.stop_strings.empty() || !request.stop_tokens.empty();
    if (stops) request.include_stop = Below(3) == 0;
    if (stops && Below(3) == 0) request.min_tokens = Below(1 + request.max_tokens);
    if (Below(4) == 0) request.seed = Below(1000);
    if (Below(3) == 0) {
      request.sampling.repetition_penalty = 1.25f;
      request.sampling.frequency_penalty = 0.25f;
      request.rules.penalty_window = 1 + static_cast<int>(Below(RecentTokens::kCapacity));
    }
    if (Below(6) == 0) request.rules.bias = {{1 + static_cast<int32_t>(Below(8)), 2.0f}};
    if (Below(6) == 0) request.sampling.top_k = 1 + static_cast<int32_t>(Below(8));
    request.per_token = Below(4) == 0;
    request.only_prompt = Below(8) == 0;
    return request;
  }

  void Start(Talk& talk) {
    // A caller that knows where it is; one that does not is turned away.
    const int64_t position = talk.alone.position();
    EXPECT_EQ(ErrorReason(talk.session->TryBegin(position + 1)), "POSITION_MISMATCH");
    GenerationRequest request = Request();
    request.key = {absl::StrCat("call-", drawn_), "digest"};
    const auto replays = talk.session->TryBeginCall(request.key, false, position);
    ASSERT_TRUE(replays.ok() && !*replays) << replays.status();
    talk.start = talk.alone;
    talk.end = position;
    talk.last = request;
    Run(talk, std::move(request), /*replays=*/false);
  }

  void Run(Talk& talk, GenerationRequest request, bool replays) {
    talk.call = std::make_unique<Call>();
    Call& call = *talk.call;
    call.request = std::move(request);
    call.request.arrival = engine_->Now();
    call.generation = std::make_shared<Generation>(call.request, talk.session, &call.sink, replays);
    call.sink.set_written([this, &call] { engine_->Written(call.generation.get()); });
    ASSERT_TRUE(engine_->Start(call.generation).ok());
  }

  // The last call once more, for a caller that has a part of its text; when it runs, it gives way.
  void Again(Talk& talk) {
    if (!talk.last.has_value()) return;
    GenerationRequest request = *talk.last;
    EXPECT_EQ(
        ErrorReason(
            talk.session->TryBeginCall({request.key.request_id, "other"}, false, {}).status()),
        "REQUEST_ID_REUSED");
    const auto replays = talk.session->TryBeginCall(request.key, true, talk.start.position());
    ASSERT_TRUE(replays.ok() && *replays) << replays.status();
    if (Below(2) == 0) {
      request.resume_after =
          talk.start.position() + Below(1 + talk.end - talk.start.position() + 5);
    }
    Call* const before = talk.call.get();
    if (before != nullptr) over_.push_back(std::move(talk.call));
    Run(talk, std::move(request), /*replays=*/true);
    talk.alone = talk.start;
    if (before == nullptr) return;
    const StreamEnd end = before->sink.AwaitEnd();
    before->generation.reset();
    ASSERT_EQ(ErrorReason(end.status()), end.ok() ? "" : "CALL_TAKEN_OVER");
    SoloSession start = talk.start;
    const auto wanted = solo_.Run(start, *talk.last, std::numeric_limits<int64_t>::max());
    ASSERT_THAT(WhatIsLeft(talk, before->request, wanted).text,
                testing::StartsWith(before->sink.text()));
  }

  // `wanted` without what the call's caller has already.
  SoloRunner::Result WhatIsLeft(const Talk& talk, const GenerationRequest& request,
                                SoloRunner::Result wanted) {
    if (!request.resume_after.has_value()) return wanted;
    SoloSession session = talk.start;
    const auto had = solo_.Run(session, *talk.last, *request.resume_after);
    // At the start, nothing: what was held back comes with the first step.
    if (had.text.size() > wanted.text.size()) {
      wanted.text.clear();
      wanted.tokens.clear();
      return wanted;
    }
    wanted.text.erase(0, had.text.size());
    wanted.tokens.erase(wanted.tokens.begin(),
                        wanted.tokens.begin() + std::min(had.tokens.size(), wanted.tokens.size()));
    return wanted;
  }

  void Rewind(Talk& talk) {
    const int64_t first = talk.last.has_value() ? talk.start.position() : talk.alone.position();
    const auto remembered = talk.session->remembered();
    ASSERT_EQ(remembered.size(), 1u);
    ASSERT_EQ(remembered[0].first, first);
    // How far a call came that gave way is not known here.
    const int64_t last = remembered[0].last;
    ASSERT_GE(last, talk.last.has_value() ? talk.end : first);
    ASSERT_TRUE(talk.session->TryBegin().ok());
    const auto beyond = talk.session->Rewind(last + 1);
    EXPECT_EQ(ErrorReason(beyond.status()), "POSITION_NOT_REMEMBERED");
    const int64_t position = first + Below(1 + last - first);
    const auto steps = talk.session->Rewind(position);
    ASSERT_TRUE(steps.ok()) << steps.status();
    if (position != talk.alone.position()) {
      talk.alone = talk.start;
      if (position != talk.start.position()) solo_.Run(talk.alone, *talk.last, position);
    }
    if (*steps == nullptr) {
      talk.session->End(absl::Now());
    } else {
      CollectingSink& sink = over_.emplace_back(std::make_unique<Call>())->sink;
      const auto generation = std::make_shared<Generation>(
          RewindRequest(**steps, position, engine_->Now()), talk.session, &sink, /*replays=*/true);
      sink.set_written([this, &generation] { engine_->Written(generation.get()); });
      ASSERT_TRUE(engine_->Start(generation).ok());
      ASSERT_TRUE(sink.AwaitEnd().ok());
      ASSERT_EQ(sink.text(), "");
      ASSERT_THAT(sink.tokens(), testing::IsEmpty());
    }
    const Session::State& state = talk.session->state;
    ASSERT_EQ(state.position, talk.alone.position());
    ASSERT_EQ(state.pending, talk.alone.pending);
    ASSERT_EQ(state.seed, talk.alone.seed);
    ASSERT_EQ(state.held.unsent(), talk.alone.tail.substr(talk.alone.sent));
  }

  void Leave(Talk& talk) {
    talk.call->broken = true;
    talk.call->generation->Cancel();
    engine_->Wake();
    AwaitEnd(talk);
  }

  void AwaitEnd(Talk& talk) {
    Call* const call = over_.emplace_back(std::move(talk.call)).get();
    const StreamEnd end = call->sink.AwaitEnd();
    call->generation.reset();  // and with it the slot of a session that is closed
    const bool natural = end.ok() && end->finish_reason() != v1::FINISH_REASON_SESSION_CLOSED;
    if (!end.ok()) {
      ASSERT_TRUE(call->broken) << end.status();
      ASSERT_EQ(end.status().code(), absl::StatusCode::kCancelled);
    }
    const Session::State& state = talk.session->state;
    SoloRunner::Result wanted = solo_.Run(
        talk.alone, call->request, natural ? std::numeric_limits<int64_t>::max() : state.position);
    const auto drawn = static_cast<int64_t>(wanted.tokens.size());
    talk.end = std::max(talk.end, state.position);
    wanted = WhatIsLeft(talk, call->request, std::move(wanted));
    ASSERT_EQ(state.position, talk.alone.position());
    ASSERT_EQ(state.pending, talk.alone.pending);
    ASSERT_EQ(state.seed, talk.alone.seed);
    ASSERT_EQ(call->sink.tokens(), wanted.tokens);
    // A session that is closed lets go of what it held back.
    if (end.ok() && talk.closed) {
      ASSERT_THAT(call->sink.text(), testing::AnyOf(wanted.text, wanted.text + wanted.held_back));
    } else {
      ASSERT_EQ(call->sink.text(), wanted.text);
      ASSERT_EQ(state.held.unsent(), wanted.held_back);
    }
    if (natural) {
      ASSERT_EQ(end->finish_reason(), wanted.reason);
      ASSERT_EQ(end->position(), talk.alone.position());
      ASSERT_EQ(end->generated_tokens(), drawn);
    }
  }

  void Fork(Talk& talk) {
    SessionStore::ForkOptions options{.same_stream = Below(2) == 0};
    if (Below(3) == 0) options.seed = Below(1000);
    const auto fork = store_.Fork(talk.session->name(), talk.session->owner(), options);
    ASSERT_TRUE(fork.ok()) << fork.status();
    Talk copy{.session = *fork, .alone = talk.alone, .start = {}};
    if (options.seed.has_value()) copy.alone.seed = *options.seed;
    copy.alone.stream = copy.session->state.stream;
    ASSERT_EQ(copy.alone.stream == talk.alone.stream, options.same_stream);
    talks_.push_back(std::move(copy));
    if (talks_.size() > least_ + 9) Close(talks_[Below(static_cast<uint32_t>(talks_.size()))]);
  }

  // A text in the session's context, in parts; the session stays as it is.
  void Score(Talk& talk) {
    const auto fork = store_.Fork(talk.session->name(), talk.session->owner(),
                                  {.same_stream = true, .for_one_call = true});
    ASSERT_TRUE(fork.ok()) << fork.status();
    std::vector<int32_t> text, tokens;
    std::vector<float> scores;
    for (uint32_t parts = 1 + Below(3); parts > 0; --parts) {
      GenerationRequest request{
          .ranked = 0, .only_prompt = true, .scores = true, .arrival = engine_->Now()};
      for (uint32_t n = 1 + Below(6); n > 0; --n) {
        request.prompt.push_back(static_cast<int32_t>(Below(9)));
      }
      text.insert(text.end(), request.prompt.begin(), request.prompt.end());
      CollectingSink& sink = over_.emplace_back(std::make_unique<Call>())->sink;
      ASSERT_TRUE((*fork)->TryBegin().ok());
      const auto generation = std::make_shared<Generation>(request, *fork, &sink);
      sink.set_written([this, &generation] { engine_->Written(generation.get()); });
      ASSERT_TRUE(engine_->Start(generation).ok());
      ASSERT_TRUE(sink.AwaitEnd().ok());
      const auto some = sink.tokens();
      tokens.insert(tokens.end(), some.begin(), some.end());
      for (const auto& ranking : sink.rankings()) {
        scores.push_back(ranking.front().log_probability);
      }
    }
    ASSERT_EQ(tokens, text);
    ASSERT_EQ(scores, solo_.Score(talk.alone, text));
  }

  void Close(Talk& talk) {
    ASSERT_TRUE(store_.Close(talk.session->name(), talk.session->owner()).ok());
    engine_->Wake();
    talk.closed = true;
    if (talk.call != nullptr) AwaitEnd(talk);
    EXPECT_EQ(ErrorReason(talk.session->TryBegin()), "SESSION_NOT_FOUND");
    EXPECT_FALSE(store_.Find(talk.session->name(), talk.session->owner(), "session").ok());
    std::erase_if(talks_, [&](const Talk& one) { return &one == &talk; });
  }

  // Unless the call has just ended, nobody else gets into its session.
  void ExpectBusy(Talk& talk) {
    const absl::Status second = talk.session->TryBegin();
    if (second.ok()) return talk.session->End(absl::Now());
    EXPECT_EQ(ErrorReason(second), "SESSION_BUSY");
  }

  const uint64_t seed_;
  const uint32_t least_;
  uint32_t drawn_ = 0;
  const std::unique_ptr<Backend> backend_ = *NewBackend("auto");
  const std::shared_ptr<const LoadedVersion> version_ = TinyVersion(*backend_);
  SoloRunner solo_{*backend_};
  ServerMetrics metrics_;
  SessionStore store_{*backend_, "a0", {.max_sessions = 300}};
  std::vector<Talk> talks_;
  // Sinks outlive the engine, which may not have let go of one whose end is here.
  std::vector<std::unique_ptr<Call>> over_;
  const std::unique_ptr<GenerationEngine> engine_ =
      *GenerationEngine::Create(*backend_, metrics_, {.max_streams = 300, .max_rows = 5});
};

}  // namespace derin::server
