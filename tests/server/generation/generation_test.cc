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
