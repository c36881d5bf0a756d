#include "server/generation/outbox.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace derin::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Outbox, GivesTextAndTokensInOrder) {
  Outbox outbox;
  outbox.Push(3, "a");
  outbox.Push(4, "");
  outbox.Push(5, "bc");
  const StreamPiece piece = outbox.Drain(100);
  EXPECT_EQ(piece.text, "abc");
  EXPECT_THAT(piece.tokens, ElementsAre(3, 4, 5));
  EXPECT_FALSE(piece.end.has_value());
  EXPECT_TRUE(outbox.empty());
}

TEST(Outbox, GivesNoMoreTokensThanAskedFor) {
  Outbox outbox;
  outbox.Push(3, "a");
  outbox.Push(4, "b");
  EXPECT_EQ(outbox.Drain(1).text, "a");
  EXPECT_FALSE(outbox.empty());
  EXPECT_EQ(outbox.Drain(1).text, "b");
  EXPECT_TRUE(outbox.empty());
}

TEST(Outbox, TheEndComesWithTheLastToken) {
  Outbox outbox;
  outbox.Push(3, "a");
  outbox.Push(4, "b");
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
  for (; outbox.HasRoom(); ++pushed) outbox.Push(1, "abcdef");
  EXPECT_EQ(pushed, 9);  // of 10 bytes each: a tenth may not have fitted
  outbox.Drain(1);
  EXPECT_TRUE(outbox.HasRoom());
}

TEST(Outbox, AnEndNeedsNoRoom) {
  Outbox outbox(20);
  while (outbox.HasRoom()) outbox.Push(1, "abcdef");
  outbox.PushEnd("", absl::CancelledError("left"));
  const StreamPiece piece = outbox.Drain(100);
  EXPECT_THAT(piece.tokens, ElementsAre(1));
  EXPECT_EQ(piece.end->status().code(), absl::StatusCode::kCancelled);
}

TEST(Outbox, AnEmptyOneGivesNothing) {
  Outbox outbox;
  EXPECT_TRUE(outbox.empty());
  EXPECT_THAT(outbox.Drain(100).tokens, IsEmpty());
}

}  // namespace
}  // namespace derin::server
