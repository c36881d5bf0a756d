#include "server/generation/generation.h"

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

  std::unique_ptr<Backend> backend_ = *NewBackend("auto");
  SessionStore store_{*backend_, "a0", {}};
  std::shared_ptr<Session> session_ = *store_.Open(TinyVersion(*backend_), "local", 5);
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
  first.Finish(v1::FINISH_REASON_LENGTH, absl::Now());
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
  first.Finish(v1::FINISH_REASON_LENGTH, absl::Now());
  Generation second = Make({4}, 1);
  second.Fail(absl::CancelledError("left"), absl::Now());
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
  generation.Finish(generation.completion(), absl::Now());
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
  first->Finish(first->completion(), absl::Now());
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
  first.Finish(first.completion(), absl::Now());
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
    generation.Finish(generation.completion(), absl::Now());
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
  generation.Finish(v1::FINISH_REASON_LENGTH, absl::Now());
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
  session_ = *store_.Open(TinyVersion(*backend_, 1, /*bytes=*/true), "local", 5);
  Generation first = Make({}, 1);
  first.Accept(0xC3 + 1, kNow, kNow);
  first.Finish(v1::FINISH_REASON_LENGTH, absl::Now());
  EXPECT_EQ(first.outbox().Drain(10).text, "");
  Generation second = Make({}, 1);
  second.Accept(0xA9 + 1, kNow, kNow);
  EXPECT_EQ(second.outbox().Drain(10).text, "\u00e9") << "the session kept the first byte";
}

TEST_F(GenerationTest, ACallWithoutASessionEndsWithWholeCharacters) {
  session_ = *store_.OpenForOneCall(TinyVersion(*backend_, 1, /*bytes=*/true), "local", 5);
  Generation generation = Make({}, 1);
  generation.Accept(0xC3 + 1, kNow, kNow);
  generation.Finish(v1::FINISH_REASON_LENGTH, absl::Now());
  EXPECT_EQ(generation.outbox().Drain(10).text, "\uFFFD");
}

}  // namespace
}  // namespace derin::server
