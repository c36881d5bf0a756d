#include "server/generation/outbox.h"

#include <atomic>
#include <limits>
#include <thread>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace derin::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Outbox, GivesTextAndTokensInOrder) {
  Outbox outbox;
  outbox.Push(1, 3, "a");
  outbox.Push(1, 4, "");
  outbox.Push(1, 5, "bc");
  const StreamPiece piece = outbox.Drain(100);
  EXPECT_EQ(piece.text, "abc");
  EXPECT_THAT(piece.tokens, ElementsAre(3, 4, 5));
  EXPECT_FALSE(piece.end.has_value());
  EXPECT_TRUE(outbox.empty());
}

TEST(Outbox, GivesRankingsWithTheirTokensAndTextWithoutATokenWithNone) {
  Outbox outbox;
  outbox.Push(1, std::nullopt, "x");
  outbox.Push(1, 3, "a", {{3, -1.0f}, {4, -0.5f}});
  outbox.Push(1, 4, "b", {{4, -0.5f}});
  const StreamPiece piece = outbox.Drain(100);
  EXPECT_EQ(piece.text, "xab");
  EXPECT_THAT(piece.tokens, ElementsAre(3, 4));
  ASSERT_EQ(piece.rankings.size(), 2u);
  EXPECT_EQ(piece.rankings[0].size(), 2u);
  EXPECT_EQ(piece.rankings[1][0].token, 4);
}

TEST(Outbox, GivesNoMoreTokensThanAskedFor) {
  Outbox outbox;
  outbox.Push(1, 3, "a");
  outbox.Push(1, 4, "b");
  EXPECT_EQ(outbox.Drain(1).text, "a");
  EXPECT_FALSE(outbox.empty());
  EXPECT_EQ(outbox.Drain(1).text, "b");
  EXPECT_TRUE(outbox.empty());
}

TEST(Outbox, TheEndComesWithTheLastToken) {
  Outbox outbox;
  outbox.Push(1, 3, "a");
  outbox.Push(1, 4, "b");
  outbox.PushEnd("!", v1::GenerateEnd());
  EXPECT_FALSE(outbox.Drain(1).end.has_value());
  const StreamPiece last = outbox.Drain(1);
  EXPECT_EQ(last.text, "b!");
  EXPECT_TRUE(last.end.has_value());
  EXPECT_TRUE(outbox.empty());
}

TEST(Outbox, HasRoomUntilItIsFullAndAgainOnceDrained) {
  Outbox outbox(100);
  int pushed = 0;
  for (; outbox.HasRoom(); ++pushed) outbox.Push(1, 1, "abcdef");
  EXPECT_EQ(pushed, 4);  // of 22 bytes each: the largest might not have fitted
  outbox.Drain(1);
  EXPECT_TRUE(outbox.HasRoom());
}

TEST(Outbox, IsSettledWhenItIsFullOrHasItsEnd) {
  Outbox outbox(100);
  outbox.Push(1, 1, "abcdef");
  EXPECT_FALSE(outbox.settled());
  while (outbox.HasRoom()) outbox.Push(1, 1, "abcdef");
  EXPECT_TRUE(outbox.settled());
  outbox.Drain(100);
  EXPECT_FALSE(outbox.settled());
  outbox.PushEnd("", v1::GenerateEnd());
  EXPECT_TRUE(outbox.settled());
}

TEST(Outbox, ThePieceThatMakesRoomInAFullOneSaysSo) {
  Outbox outbox(60);
  outbox.Push(1, 1, "a");
  EXPECT_FALSE(outbox.Drain(1).made_room);
  outbox.Push(1, 1, "a");
  EXPECT_FALSE(outbox.Drain(1).made_room);
  while (outbox.HasRoom()) outbox.Push(1, 1, "abcdef");
  EXPECT_TRUE(outbox.Drain(100).made_room);
  EXPECT_FALSE(outbox.Drain(100).made_room);
}

TEST(Outbox, WhoeverSeesNoRoomIsToldOfTheNextWhileAnotherDrains) {
  constexpr int kRounds = 200;
  Outbox outbox(60);
  std::atomic<bool> told = false;
  std::atomic<bool> over = false;
  std::thread drains([&] {
    while (!over) {
      if (outbox.Drain(std::numeric_limits<size_t>::max()).made_room) told = true;
    }
  });
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  int rounds = 0;
  for (; rounds < kRounds && absl::Now() < deadline; ++rounds) {
    told = false;
    while (outbox.HasRoom()) outbox.Push(1, 1, "abcdef");
    // As the engine does, whom nothing else wakes.
    while (!told && absl::Now() < deadline) std::this_thread::yield();
  }
  over = true;
  drains.join();
  EXPECT_EQ(rounds, kRounds);
}

TEST(Outbox, AnEndNeedsNoRoom) {
  Outbox outbox(30);
  while (outbox.HasRoom()) outbox.Push(1, 1, "abcdef");
  outbox.PushEnd("", absl::CancelledError("left"));
  const StreamPiece piece = outbox.Drain(100);
  EXPECT_THAT(piece.tokens, ElementsAre(1));
  EXPECT_EQ(piece.end->status().code(), absl::StatusCode::kCancelled);
}

TEST(Outbox, TakesAboutAsMuchMemoryAsItCounts) {
  Outbox outbox;
  int pushed = 0;
  for (; outbox.HasRoom(); ++pushed) outbox.Push(pushed, 1, "a");
  EXPECT_EQ(pushed, (4096 - 25) / 17 + 1) << "16 bytes each, and one of text";
  const StreamPiece piece = outbox.Drain(1000);
  EXPECT_EQ(piece.text, std::string(pushed, 'a'));
  EXPECT_EQ(piece.position, pushed - 1);
}

TEST(Outbox, AnEmptyOneGivesNothing) {
  Outbox outbox;
  EXPECT_TRUE(outbox.empty());
  EXPECT_THAT(outbox.Drain(100).tokens, IsEmpty());
}

}  // namespace
}  // namespace derin::server
