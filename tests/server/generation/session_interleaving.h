#pragma once

#include <algorithm>
#include <limits>
#include <map>
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
#include "tests/server/generation/stored_sessions.h"

namespace derin::server {

// Sessions of many callers, in one engine, under random operations: open, generate (with prompts,
// stops, penalties, other seeds), leave in the middle, make a call again (also one that still
// runs), rewind, score, fork, export and import, close, compact what is stored, restart. There is
// room for a few states on the device and for a few in memory, so they come and go. Each call's
// text, tokens, end and position must be those of its session alone.
class SessionInterleaving {
 public:
  // At least `least` sessions at a time, and some more.
  explicit SessionInterleaving(uint64_t seed, uint32_t least = 3) : seed_(seed), least_(least) {
    sessions_.Add(version_);
  }

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
    std::shared_ptr<Session> session;
    bool broken = false;
  };
  // What a session should be.
  struct Wanted {
    SoloSession alone;
    // What it was when its last call began, that call, and the farthest that it came.
    SoloSession start;
    std::optional<GenerationRequest> last;
    int64_t end = 0;
  };
  // A session with what it should be, and the call in it.
  struct Talk : Wanted {
    std::string name, owner;
    v1::Durability durability = v1::DURABILITY_PROCESS;
    std::unique_ptr<Call> call;
    bool closed = false;
    // What it was where its calls began, by position.
    std::map<int64_t, Wanted> earlier;
  };
  static Talk NewTalk(std::string name, std::string owner, v1::Durability durability,
                      SoloSession alone) {
    Talk talk;
    talk.name = std::move(name);
    talk.owner = std::move(owner);
    talk.durability = durability;
    talk.alone = std::move(alone);
    return talk;
  }

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
    if (Below(40) == 0) return Restart();
    if (Below(40) == 0) Compact();
    Talk& talk = talks_[Below(static_cast<uint32_t>(talks_.size()))];
    const uint32_t kind = Below(15);
    if (talk.call == nullptr) {
      if (kind == 14) return Move(talk);
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
    constexpr v1::Durability kAll[] = {v1::DURABILITY_NONE, v1::DURABILITY_PROCESS,
                                       v1::DURABILITY_POWER};
    const v1::Durability durability = kAll[Below(3)];
    const std::string owner = Owner(Below(3));
    const auto view = sessions_->Open(*version_, owner, {.seed = seed, .durability = durability});
    ASSERT_TRUE(view.ok()) << view.status();
    talks_.push_back(NewTalk(view->image.name, owner, durability, {.seed = seed}));
  }

  // The session on the device; null when the calls under way have all its places, of which one ends
  // then.
  std::shared_ptr<Session> Acquire(Talk& talk) {
    const auto acquired = sessions_->Acquire(talk.name, talk.owner, "session");
    if (acquired.ok()) return acquired->session;
    EXPECT_EQ(ErrorReason(acquired.status()), "DEVICE_MEMORY_FULL") << acquired.status();
    for (Talk& other : talks_) {
      if (other.call == nullptr) continue;
      Leave(other);
      break;
    }
    return nullptr;
  }

  // All calls end, the process dies, and another one goes on.
  void Restart() {
    for (Talk& talk : talks_) {
      if (talk.call != nullptr) Leave(talk);
    }
    engine_.reset();
    over_.clear();
    sessions_.Restart();
    engine_ = NewEngine();
    std::erase_if(talks_, [this](const Talk& talk) {
      if (talk.durability != v1::DURABILITY_NONE) return false;
      EXPECT_EQ(ErrorReason(sessions_->Get(talk.name, talk.owner).status()), "SESSION_NOT_FOUND");
      return true;
    });
    for (const Talk& talk : talks_) {
      const auto view = sessions_->Get(talk.name, talk.owner);
      ASSERT_TRUE(view.ok()) << view.status();
      ASSERT_EQ(view->image.state.position, talk.alone.position());
      ASSERT_EQ(view->image.state.seed, talk.alone.seed);
      ASSERT_EQ(view->tier, v1::SESSION_TIER_DISK);
    }
  }

  void Compact() { EXPECT_TRUE(sessions_.archive().Compact().ok()); }

  // Its state becomes another session, by an export.
  void Move(Talk& talk) {
    const auto image = sessions_->Image(talk.name, talk.owner);
    ASSERT_TRUE(image.ok()) << image.status();
    auto imported = DecodeExport(EncodeExport(*image, "digest"), "image");
    ASSERT_TRUE(imported.ok()) << imported.status();
    ASSERT_EQ(imported->model_sha256, "digest");
    const auto view = sessions_->Import(std::move(imported->image), *version_, talk.owner,
                                        {.seed = talk.alone.seed});
    ASSERT_TRUE(view.ok()) << view.status();
    ASSERT_EQ(view->image.state.stream, talk.alone.stream);
    AddTalk(NewTalk(view->image.name, talk.owner, v1::DURABILITY_PROCESS, talk.alone));
  }

  void AddTalk(Talk talk) {
    talks_.push_back(std::move(talk));
    if (talks_.size() > least_ + 9) Close(talks_[Below(static_cast<uint32_t>(talks_.size()))]);
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
    const std::shared_ptr<Session> session = Acquire(talk);
    if (session == nullptr) return;
    const int64_t position = talk.alone.position();
    EXPECT_EQ(ErrorReason(session->TryBegin(position + 1)), "POSITION_MISMATCH");
    GenerationRequest request = Request();
    request.source = std::make_shared<const v1::GenerateRequest>();
    request.key = {absl::StrCat("call-", drawn_), "digest"};
    const auto replays = session->TryBeginCall(request.key, false, position);
    ASSERT_TRUE(replays.ok() && !*replays) << replays.status();
    // A session that does not outlive the process remembers no earlier ones.
    if (talk.durability == v1::DURABILITY_NONE) talk.earlier.clear();
    talk.earlier[position] = talk;
    talk.start = talk.alone;
    talk.end = position;
    talk.last = request;
    Run(talk, session, std::move(request), nullptr);
  }

  void Run(Talk& talk, std::shared_ptr<Session> session, GenerationRequest request,
           std::shared_ptr<const SessionImage> start) {
    talk.call = std::make_unique<Call>();
    Call& call = *talk.call;
    call.session = session;
    call.request = std::move(request);
    call.request.arrival = engine_->Now();
    call.generation = std::make_shared<Generation>(call.request, std::move(session), &call.sink,
                                                   std::move(start));
    call.sink.set_written([this, &call] { engine_->Written(call.generation.get()); });
    ASSERT_TRUE(engine_->Start(call.generation).ok());
  }

  // The last call once more, for a caller that has a part of its text; when it runs, it gives way.
  void Again(Talk& talk) {
    if (!talk.last.has_value()) return;
    const std::shared_ptr<Session> session = Acquire(talk);
    if (session == nullptr) return;
    GenerationRequest request = *talk.last;
    EXPECT_EQ(
        ErrorReason(session->TryBeginCall({request.key.request_id, "other"}, false, {}).status()),
        "REQUEST_ID_REUSED");
    const auto replays = session->TryBeginCall(request.key, true, talk.start.position());
    ASSERT_TRUE(replays.ok() && *replays) << replays.status();
    auto start = sessions_->StartOfLastCall(*session);
    ASSERT_TRUE(start.ok()) << start.status();
    if (Below(2) == 0) {
      request.resume_after =
          talk.start.position() + Below(1 + talk.end - talk.start.position() + 5);
    }
    Call* const before = talk.call.get();
    if (before != nullptr) over_.push_back(std::move(talk.call));
    Run(talk, session, std::move(request), *std::move(start));
    talk.alone = talk.start;
    ForgetWhatCameAfter(talk);
    if (before == nullptr) return;
    const StreamEnd end = before->sink.AwaitEnd();
    before->generation.reset();
    before->session.reset();
    ASSERT_EQ(ErrorReason(end.status()), end.ok() ? "" : "CALL_TAKEN_OVER");
    SoloSession begin = talk.start;
    const auto wanted = solo_.Run(begin, *talk.last, std::numeric_limits<int64_t>::max());
    ASSERT_THAT(WhatIsLeft(talk, before->request, wanted).text,
                testing::StartsWith(before->sink.text()));
  }

  // Nothing that came after the start of the last call is remembered apart from it.
  static void ForgetWhatCameAfter(Talk& talk) {
    const int64_t start = talk.last.has_value() ? talk.start.position() : -1;
    talk.earlier.erase(talk.earlier.upper_bound(start), talk.earlier.end());
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

  // Any of the positions that the session says it remembers, or one beyond.
  void Rewind(Talk& talk) {
    const std::shared_ptr<Session> session = Acquire(talk);
    if (session == nullptr) return;
    const auto view = sessions_->Get(talk.name, talk.owner);
    ASSERT_TRUE(view.ok()) << view.status();
    for (const auto& [position, unused] : talk.earlier) {
      const bool is_remembered = std::any_of(
          view->remembered.begin(), view->remembered.end(),
          [&](const auto& range) { return range.first <= position && position <= range.last; });
      ASSERT_TRUE(is_remembered) << position;
    }
    if (talk.last.has_value()) {
      ASSERT_GE(view->remembered.back().last, talk.end);
    }
    ASSERT_TRUE(session->TryBegin().ok());
    const auto beyond = sessions_->Rewind(*session, view->remembered.back().last + 1);
    EXPECT_EQ(ErrorReason(beyond.status()), "POSITION_NOT_REMEMBERED");
    const auto& range = view->remembered[Below(static_cast<uint32_t>(view->remembered.size()))];
    const int64_t position =
        range.first + Below(static_cast<uint32_t>(1 + range.last - range.first));
    auto plan = sessions_->Rewind(*session, position);
    ASSERT_TRUE(plan.ok()) << plan.status();
    const bool by_last_call = talk.last.has_value() && position >= talk.start.position();
    if (position == talk.alone.position()) {
      // Nothing changes.
    } else if (by_last_call) {
      talk.alone = talk.start;
      if (position != talk.start.position()) solo_.Run(talk.alone, *talk.last, position);
    } else {
      const auto found = talk.earlier.find(position);
      ASSERT_NE(found, talk.earlier.end()) << position;
      static_cast<Wanted&>(talk) = Wanted(found->second);
    }
    ForgetWhatCameAfter(talk);
    if (plan->request == nullptr) {
      session->End(absl::Now());
    } else {
      CollectingSink& sink = over_.emplace_back(std::make_unique<Call>())->sink;
      const auto generation = std::make_shared<Generation>(
          RewindRequest(*talk.last, position, engine_->Now()), session, &sink, plan->start);
      sink.set_written([this, &generation] { engine_->Written(generation.get()); });
      ASSERT_TRUE(engine_->Start(generation).ok());
      ASSERT_TRUE(sink.AwaitEnd().ok());
      ASSERT_EQ(sink.text(), "");
      ASSERT_THAT(sink.tokens(), testing::IsEmpty());
    }
    ExpectAt(talk, session->state);
  }

  void ExpectAt(const Talk& talk, const SessionState& state) {
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
    call->generation.reset();
    const std::shared_ptr<Session> session = std::move(call->session);
    const bool natural = end.ok() && end->finish_reason() != v1::FINISH_REASON_SESSION_CLOSED;
    if (!end.ok()) {
      ASSERT_TRUE(call->broken) << end.status();
      ASSERT_EQ(end.status().code(), absl::StatusCode::kCancelled);
    }
    const SessionState& state = session->state;
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
    const auto fork = sessions_->Fork(talk.name, talk.owner, options);
    if (ErrorReason(fork.status()) == "DEVICE_MEMORY_FULL") return;
    ASSERT_TRUE(fork.ok()) << fork.status();
    Talk copy = NewTalk(fork->image.name, talk.owner, talk.durability, talk.alone);
    if (options.seed.has_value()) copy.alone.seed = *options.seed;
    copy.alone.stream = fork->image.state.stream;
    ASSERT_EQ(copy.alone.stream == talk.alone.stream, options.same_stream);
    AddTalk(std::move(copy));
  }

  // A text in the session's context, in parts; the session stays as it is.
  void Score(Talk& talk) {
    const std::shared_ptr<Session> session = Acquire(talk);
    if (session == nullptr) return;
    ASSERT_TRUE(session->TryBegin().ok());
    const auto fork = sessions_->ForkBegun(*session, {.same_stream = true}, /*for_one_call=*/true);
    session->End(absl::Now());
    if (ErrorReason(fork.status()) == "DEVICE_MEMORY_FULL") return;
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
    ASSERT_TRUE(sessions_->Close(talk.name, talk.owner).ok());
    engine_->Wake();
    talk.closed = true;
    if (talk.call != nullptr) {
      const std::shared_ptr<Session> session = talk.call->session;
      AwaitEnd(talk);
      EXPECT_EQ(ErrorReason(session->TryBegin()), "SESSION_NOT_FOUND");
    }
    EXPECT_FALSE(sessions_->Acquire(talk.name, talk.owner, "session").ok());
    std::erase_if(talks_, [&](const Talk& one) { return &one == &talk; });
  }

  // Unless the call has just ended, nobody else gets into its session.
  void ExpectBusy(Talk& talk) {
    const absl::Status second = talk.call->session->TryBegin();
    if (second.ok()) return talk.call->session->End(absl::Now());
    EXPECT_EQ(ErrorReason(second), "SESSION_BUSY");
  }

  const uint64_t seed_;
  const uint32_t least_;
  uint32_t drawn_ = 0;
  const std::unique_ptr<Backend> backend_ = *NewBackend("auto");
  const std::shared_ptr<const LoadedVersion> version_ = TinyVersion(*backend_);
  SoloRunner solo_{*backend_};
  ServerMetrics metrics_;
  StoredSessions sessions_{*backend_,
                           {.device_bytes = 2 * 8 * least_ * 192},
                           {.host_bytes = 4000, .segment_bytes = 30'000}};
  std::vector<Talk> talks_;
  // Sinks outlive the engine, which may not have let go of one whose end is here.
  std::vector<std::unique_ptr<Call>> over_;
  std::unique_ptr<GenerationEngine> engine_ = NewEngine();

  std::unique_ptr<GenerationEngine> NewEngine() {
    return *GenerationEngine::Create(*backend_, *sessions_, metrics_,
                                     {.max_streams = 300, .max_rows = 5});
  }
};

}  // namespace derin::server
