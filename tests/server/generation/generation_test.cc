#include "server/generation/generation.h"

#include "tests/server/generation/stored_sessions.h"
#include "tests/server/generation/tiny_version.h"

namespace derin::server {
namespace {

using testing::ElementsAre;

constexpr absl::Duration kNow = absl::Seconds(10);

class GenerationTest : public testing::Test {
 protected:
  Generation Make(std::vector<int32_t> prompt, int64_t max_tokens) {
    EXPECT_TRUE(session_->TryBegin().ok());
    return Generation({.prompt = std::move(prompt), .max_tokens = max_tokens, .arrival = kNow},
                      session_, &sink_);
  }

  // Where the session's last call began.
  std::shared_ptr<const SessionImage> Start() { return *sessions_->StartOfLastCall(*session_); }

  std::unique_ptr<Backend> backend_ = *NewBackend("auto");
  StoredSessions sessions_{*backend_};
  std::shared_ptr<Session> session_ = sessions_.Open(TinyVersion(*backend_), "local", 5);
  CollectingSink sink_;
};

TEST_F(GenerationTest, AbsorbsThePromptAndThenItsOwnTokens) {
  Generation generation = Make({1, 2, 3}, 2);
  // Each step absorbs one token; all but the last of the prompt force the next one.
  EXPECT_EQ(generation.NextRow().token, 1);
  EXPECT_EQ(generation.NextRow().sample.forced_token, 2);
  EXPECT_TRUE(generation.NextRow().from_zero);
  EXPECT_FALSE(generation.next_draws());
  generation.Accept(2, kNow, kNow);
  EXPECT_EQ(generation.NextRow().token, 2);
  EXPECT_FALSE(generation.NextRow().from_zero);
  generation.Accept(3, kNow, kNow);
  EXPECT_TRUE(generation.next_draws());
  EXPECT_EQ(generation.NextRow().sample.forced_token, -1);
  EXPECT_EQ(generation.NextRow().sample.position, 3);
  EXPECT_EQ(generation.NextRow().sample.seed, 5u);
  generation.Accept(7, kNow, kNow);
  EXPECT_EQ(generation.NextRow().token, 7);
  EXPECT_FALSE(generation.complete());
  generation.Accept(8, kNow, kNow);
  EXPECT_TRUE(generation.complete());
  EXPECT_THAT(generation.outbox().Drain(10).tokens, ElementsAre(7, 8));
}

TEST_F(GenerationTest, TheNextCallAbsorbsTheLastDrawnTokenFirst) {
  Generation first = Make({1}, 1);
  first.Accept(6, kNow, kNow);
  first.Finish(v1::FINISH_REASON_LENGTH);
  first.Release(absl::OkStatus(), absl::Now());
  EXPECT_EQ(session_->state.position, 1);
  Generation second = Make({4}, 1);
  EXPECT_EQ(second.NextRow().token, 6);
  EXPECT_EQ(second.NextRow().sample.forced_token, 4);
  second.Accept(4, kNow, kNow);
  EXPECT_EQ(second.NextRow().token, 4);
}

TEST_F(GenerationTest, ATextFromNothingBeginsAfterUnknown) {
  EXPECT_EQ(Make({}, 1).NextRow().token, Vocabulary::kUnknown);
}

TEST_F(GenerationTest, ACallThatEndsBeforeItsFirstStepLeavesTheSessionAsItWas) {
  Generation first = Make({1}, 1);
  first.Accept(6, kNow, kNow);
  first.Finish(v1::FINISH_REASON_LENGTH);
  first.Release(absl::OkStatus(), absl::Now());
  Generation second = Make({4}, 1);
  second.Fail(absl::CancelledError("left"));
  second.Release(absl::OkStatus(), absl::Now());
  EXPECT_EQ(session_->state.pending, 6);
  EXPECT_EQ(session_->state.position, 1);
}

TEST_F(GenerationTest, DrawsAdjustTheLogitsOfRecentTokensAndPromptsDoNot) {
  EXPECT_TRUE(session_->TryBegin().ok());
  Generation generation({.prompt = {1, 2}, .rules = {.banned = {5}, .penalty_window = 3}}, session_,
                        &sink_);
  EXPECT_TRUE(generation.NextRow().adjustments.empty());
  generation.Accept(2, kNow, kNow);
  const auto adjustments = generation.NextRow().adjustments;
  ASSERT_EQ(adjustments.size(), 3u);
  EXPECT_EQ(adjustments[0].bias, kBanned);
  EXPECT_EQ(adjustments[1].token, 2) << "the token that the step absorbs is the most recent one";
  EXPECT_EQ(adjustments[2].token, 1);
}

TEST_F(GenerationTest, AStopStringEndsTheTextBeforeItAndTheNextCallGoesOnBehindIt) {
  EXPECT_TRUE(session_->TryBegin().ok());
  Generation generation({.prompt = {1}, .stop_strings = {"bc"}, .stop_names = {"BC"}}, session_,
                        &sink_);
  for (const int32_t token : {1, 2, 3}) {
    EXPECT_FALSE(generation.complete());
    generation.Accept(token, kNow, kNow);
  }
  EXPECT_TRUE(generation.complete());
  generation.Finish(generation.completion());
  generation.Release(absl::OkStatus(), absl::Now());
  const StreamPiece piece = generation.outbox().Drain(10);
  EXPECT_EQ(piece.text, "a");
  EXPECT_THAT(piece.tokens, ElementsAre(1, 2, 3));
  EXPECT_EQ((*piece.end)->finish_reason(), v1::FINISH_REASON_STOP_STRING);
  EXPECT_EQ((*piece.end)->stop_string(), "BC") << "as the caller has it";
  EXPECT_EQ(session_->state.pending, 3);
  Generation next = Make({}, 1);
  next.Accept(4, kNow, kNow);
  EXPECT_EQ(next.outbox().Drain(10).text, "d");
}

TEST_F(GenerationTest, WhatMayBecomeAStopStringWaitsInTheSession) {
  const auto make = [this](int64_t max_tokens) {
    EXPECT_TRUE(session_->TryBegin().ok());
    return std::make_unique<Generation>(
        GenerationRequest{.max_tokens = max_tokens, .stop_strings = {"bcd"}, .stop_names = {"bcd"}},
        session_, &sink_);
  };
  const auto first = make(3);
  for (const int32_t token : {1, 2, 3}) first->Accept(token, kNow, kNow);
  first->Finish(first->completion());
  first->Release(absl::OkStatus(), absl::Now());
  EXPECT_EQ(first->outbox().Drain(10).text, "a");
  // Completed by the next call: nothing of it was ever sent.
  const auto second = make(3);
  second->Accept(4, kNow, kNow);
  EXPECT_EQ(second->completion(), v1::FINISH_REASON_STOP_STRING);
  EXPECT_EQ(second->outbox().Drain(10).text, "");
}

TEST_F(GenerationTest, WhatWasHeldBackComesBeforeAPrompt) {
  EXPECT_TRUE(session_->TryBegin().ok());
  Generation first({.max_tokens = 1, .stop_strings = {"bcd"}, .stop_names = {"bcd"}}, session_,
                   &sink_);
  first.Accept(2, kNow, kNow);
  first.Finish(first.completion());
  first.Release(absl::OkStatus(), absl::Now());
  EXPECT_EQ(first.outbox().Drain(10).text, "");
  EXPECT_TRUE(session_->TryBegin().ok());
  Generation second({.prompt = {5, 6}, .echo = true, .max_tokens = 1}, session_, &sink_);
  second.Accept(5, kNow, kNow);  // absorbs the token that the first call drew
  second.Accept(6, kNow, kNow);
  second.Accept(7, kNow, kNow);
  const StreamPiece piece = second.outbox().Drain(10);
  EXPECT_EQ(piece.text, "befg");
  EXPECT_THAT(piece.tokens, ElementsAre(7)) << "those of the prompt were not drawn";
}

TEST_F(GenerationTest, AStopTokenEndsTheTextWithOrWithoutIt) {
  for (const bool include : {false, true}) {
    EXPECT_TRUE(session_->TryBegin().ok());
    Generation generation({.stop_tokens = {4}, .include_stop = include}, session_, &sink_);
    generation.Accept(1, kNow, kNow);
    generation.Accept(4, kNow, kNow);
    EXPECT_TRUE(generation.complete());
    generation.Finish(generation.completion());
    generation.Release(absl::OkStatus(), absl::Now());
    const StreamPiece piece = generation.outbox().Drain(10);
    EXPECT_EQ(piece.text, include ? "ad" : "a");
    EXPECT_EQ((*piece.end)->finish_reason(), v1::FINISH_REASON_STOP_TOKEN);
    EXPECT_EQ((*piece.end)->stop_token(), 4);
  }
}

TEST_F(GenerationTest, TheFirstTokensAreNoStopTokensAndCompleteNoStopString) {
  EXPECT_TRUE(session_->TryBegin().ok());
  Generation generation({.prompt = {1},
                         .min_tokens = 2,
                         .stop_strings = {"c"},
                         .stop_names = {"c"},
                         .stop_tokens = {4}},
                        session_, &sink_);
  const auto adjustments = generation.NextRow().adjustments;
  ASSERT_EQ(adjustments.size(), 1u);
  EXPECT_EQ(adjustments[0].token, 4);
  EXPECT_EQ(adjustments[0].bias, kBanned);
  generation.Accept(3, kNow, kNow);
  EXPECT_FALSE(generation.complete());
  generation.Accept(2, kNow, kNow);
  EXPECT_TRUE(generation.NextRow().adjustments.empty());
  generation.Accept(3, kNow, kNow);
  EXPECT_TRUE(generation.complete());
  EXPECT_EQ(generation.outbox().Drain(10).text, "cb");
}

TEST_F(GenerationTest, TimeIsCountedFromTheArrival) {
  EXPECT_TRUE(session_->TryBegin().ok());
  const Generation generation({.time_budget = absl::Milliseconds(5), .arrival = kNow}, session_,
                              &sink_);
  EXPECT_FALSE(generation.out_of_time(-absl::InfiniteDuration()));
  EXPECT_FALSE(generation.out_of_time(kNow + absl::Milliseconds(4)));
  EXPECT_TRUE(generation.out_of_time(kNow + absl::Milliseconds(5)));
  session_->End(absl::Now());
  EXPECT_FALSE(Make({}, 1).out_of_time(kNow + absl::Hours(1000)));
}

TEST_F(GenerationTest, TheEndCountsAndMeasures) {
  Generation generation = Make({1, 2}, 3);
  generation.Accept(2, kNow + absl::Milliseconds(5), kNow + absl::Milliseconds(6));
  for (int i = 0; i < 3; ++i) {
    generation.Accept(3, kNow, kNow + absl::Milliseconds(10 + 4 * i));
  }
  generation.Finish(v1::FINISH_REASON_LENGTH);
  generation.Release(absl::OkStatus(), absl::Now());
  const StreamPiece piece = generation.outbox().Drain(10);
  const v1::GenerateEnd& end = **piece.end;
  EXPECT_EQ(end.finish_reason(), v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(end.prompt_tokens(), 2);
  EXPECT_EQ(end.generated_tokens(), 3);
  EXPECT_EQ(end.position(), 4);
  EXPECT_EQ(end.queue_time().nanos(), 5'000'000);
  EXPECT_EQ(end.prompt_time().nanos(), 5'000'000);
  EXPECT_EQ(end.first_token_time().nanos(), 10'000'000);
  EXPECT_NEAR(end.tokens_per_second(), 250, 1e-6);
}

TEST_F(GenerationTest, BytesOfOneCharacterAreHeldBackUntilItIsWhole) {
  session_ = sessions_.Open(TinyVersion(*backend_, 1, /*bytes=*/true), "local", 5);
  Generation first = Make({}, 1);
  first.Accept(0xC3 + 1, kNow, kNow);
  first.Finish(v1::FINISH_REASON_LENGTH);
  first.Release(absl::OkStatus(), absl::Now());
  EXPECT_EQ(first.outbox().Drain(10).text, "");
  Generation second = Make({}, 1);
  second.Accept(0xA9 + 1, kNow, kNow);
  EXPECT_EQ(second.outbox().Drain(10).text, "\u00e9") << "the session kept the first byte";
}

TEST_F(GenerationTest, ACallWithoutASessionEndsWithWholeCharacters) {
  session_ = *sessions_->OpenForOneCall(TinyVersion(*backend_, 1, /*bytes=*/true), "local", 5);
  Generation generation = Make({}, 1);
  generation.Accept(0xC3 + 1, kNow, kNow);
  generation.Finish(v1::FINISH_REASON_LENGTH);
  generation.Release(absl::OkStatus(), absl::Now());
  EXPECT_EQ(generation.outbox().Drain(10).text, "\uFFFD");
}

TEST_F(GenerationTest, SendsWhatOneStepBringsTogetherWithItsPosition) {
  ASSERT_TRUE(session_->TryBegin().ok());
  Generation generation({.prompt = {1, 2}, .echo = true, .max_tokens = 2}, session_, &sink_);
  generation.Accept(2, kNow, kNow);
  generation.Accept(3, kNow, kNow);
  generation.Accept(4, kNow, kNow);
  const StreamPiece first = generation.outbox().Drain(1);
  EXPECT_EQ(first.text, "a");
  EXPECT_EQ(first.position, 1);
  const StreamPiece second = generation.outbox().Drain(1);
  EXPECT_EQ(second.text, "bc") << "the prompt's last letter and the token drawn by its step";
  EXPECT_EQ(second.position, 2);
  EXPECT_THAT(second.tokens, ElementsAre(3));
  EXPECT_EQ(generation.outbox().Drain(1).position, 3);
}

TEST_F(GenerationTest, SendsOnlyWhatComesAfterThePositionThatItsCallerHas) {
  ASSERT_TRUE(session_->TryBegin().ok());
  Generation generation({.prompt = {1, 2}, .echo = true, .max_tokens = 3, .resume_after = 2},
                        session_, &sink_);
  for (const int32_t token : {2, 3, 4, 5}) generation.Accept(token, kNow, kNow);
  const StreamPiece piece = generation.outbox().Drain(100);
  EXPECT_EQ(piece.text, "de");
  EXPECT_THAT(piece.tokens, ElementsAre(4, 5));
  EXPECT_TRUE(generation.complete());
}

TEST_F(GenerationTest, TheLastCallOnceMoreBeginsWhereItBegan) {
  Generation first = Make({1}, 2);
  first.Begin();
  first.Accept(6, kNow, kNow);
  first.Accept(7, kNow, kNow);
  first.Finish(v1::FINISH_REASON_LENGTH);
  first.Release(absl::OkStatus(), absl::Now());
  ASSERT_EQ(session_->state.position, 2);
  ASSERT_TRUE(session_->TryBegin().ok());
  Generation again({.prompt = {1}, .max_tokens = 2}, session_, &sink_, Start());
  again.Begin();
  EXPECT_EQ(session_->state.position, 2) << "the state may still be another call's";
  again.Join();
  EXPECT_EQ(session_->state.position, 0);
  EXPECT_EQ(again.NextRow().token, 1);
  EXPECT_TRUE(again.next_draws());
}

TEST_F(GenerationTest, ARewindEndsAtItsPosition) {
  Generation first = Make({1, 2, 3}, 5);
  first.Begin();
  for (const int32_t token : {2, 3, 4, 5}) first.Accept(token, kNow, kNow);
  first.Fail(absl::CancelledError("left"));
  first.Release(absl::OkStatus(), absl::Now());
  ASSERT_TRUE(session_->TryBegin().ok());
  const GenerationRequest last{.prompt = {1, 2, 3}, .max_tokens = 5};
  Generation rewind(RewindRequest(last, 2, kNow), session_, &sink_, Start());
  rewind.Join();
  rewind.Accept(2, kNow, kNow);
  EXPECT_FALSE(rewind.complete());
  rewind.Accept(3, kNow, kNow);
  EXPECT_TRUE(rewind.complete());
  EXPECT_EQ(rewind.completion(), v1::FINISH_REASON_UNSPECIFIED);
  EXPECT_EQ(session_->state.pending, std::nullopt) << "the rest of the prompt is gone";
  EXPECT_TRUE(rewind.outbox().empty());
}

TEST_F(GenerationTest, ALongPromptIsNotRemembered) {
  for (const size_t size : {16'384, 16'385}) {
    ASSERT_TRUE(session_->TryBegin().ok());
    Generation call({.prompt = std::vector<int32_t>(size, 1),
                     .source = std::make_shared<const v1::GenerateRequest>()},
                    session_, &sink_);
    call.Begin();
    call.Fail(absl::CancelledError("left"));
    call.Release(absl::OkStatus(), absl::Now());
    EXPECT_EQ(session_->last_call()->request != nullptr, size == 16'384);
  }
}

TEST_F(GenerationTest, APromptThatIsInLosesNothingWhenItsClientLeavesJustThen) {
  ASSERT_TRUE(session_->TryBegin().ok());
  Generation prompt({.prompt = {1, 2}, .only_prompt = true}, session_, &sink_);
  prompt.Begin();
  prompt.Accept(2, kNow, kNow);
  ASSERT_TRUE(prompt.complete());
  prompt.Fail(absl::CancelledError("left"));
  EXPECT_EQ(session_->state.pending, 2);
}

TEST_F(GenerationTest, TellsOfASessionThatCouldNotBeKeptInsteadOfItsEnd) {
  Generation call = Make({1}, 1);
  call.Accept(6, kNow, kNow);
  call.Finish(v1::FINISH_REASON_LENGTH);
  EXPECT_TRUE(call.needs_keeping());
  call.Release(absl::ResourceExhaustedError("disk"), absl::Now());
  const StreamPiece piece = call.outbox().Drain(10);
  EXPECT_THAT(piece.tokens, ElementsAre(6)) << "the text is there all the same";
  EXPECT_EQ(piece.end->status().message(), "disk");
  EXPECT_TRUE(session_->TryBegin().ok()) << "it was given back";
}

TEST_F(GenerationTest, APromptAloneLeavesItsLastTokenToTheNextCall) {
  ASSERT_TRUE(session_->TryBegin().ok());
  Generation prompt({.prompt = {1, 2, 3}, .only_prompt = true}, session_, &sink_);
  prompt.Accept(2, kNow, kNow);
  EXPECT_EQ(prompt.NextRow().sample.forced_token, 3);
  EXPECT_EQ(prompt.NextRow().sample.ranked, -1);
  EXPECT_FALSE(prompt.complete());
  prompt.Accept(3, kNow, kNow);
  EXPECT_TRUE(prompt.complete());
  prompt.Finish(prompt.completion());
  prompt.Release(absl::OkStatus(), absl::Now());
  EXPECT_EQ(session_->state.pending, 3);
  EXPECT_EQ(session_->state.position, 2);
  Generation next = Make({}, 1);
  EXPECT_EQ(next.NextRow().token, 3);
  EXPECT_TRUE(next.next_draws());
}

TEST_F(GenerationTest, AScoreOfATextFromNothingBeginsAfterUnknown) {
  ASSERT_TRUE(session_->TryBegin().ok());
  const std::vector<TokenLogProbability> ranking = {{5, -1.0f}};
  Generation first({.prompt = {5, 6}, .ranked = 0, .only_prompt = true, .scores = true}, session_,
                   &sink_);
  EXPECT_EQ(first.NextRow().token, Vocabulary::kUnknown);
  EXPECT_EQ(first.NextRow().sample.forced_token, 5);
  EXPECT_EQ(first.NextRow().sample.ranked, 0);
  first.Accept(5, kNow, kNow, ranking);
  first.Accept(6, kNow, kNow, ranking);
  EXPECT_TRUE(first.complete());
  first.Finish(first.completion());
  first.Release(absl::OkStatus(), absl::Now());
  const StreamPiece piece = first.outbox().Drain(10);
  EXPECT_THAT(piece.tokens, ElementsAre(5, 6));
  EXPECT_EQ(piece.rankings.size(), 2u);
  // The next part of the text goes on after the last token of this one.
  ASSERT_TRUE(session_->TryBegin().ok());
  Generation second({.prompt = {7}, .ranked = 0, .only_prompt = true, .scores = true}, session_,
                    &sink_);
  EXPECT_EQ(second.NextRow().token, 6);
  EXPECT_EQ(second.NextRow().sample.forced_token, 7);
  second.Accept(7, kNow, kNow, ranking);
  EXPECT_TRUE(second.complete());
}

}  // namespace
}  // namespace derin::server
