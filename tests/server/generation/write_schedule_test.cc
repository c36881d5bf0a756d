#include "server/generation/write_schedule.h"

#include <optional>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace derin::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class WriteScheduleTest : public testing::Test {
 protected:
  static absl::Time At(int milliseconds) {
    return absl::UnixEpoch() + absl::Milliseconds(milliseconds);
  }
  // Streams are told apart by their addresses alone.
  Generation* const first_ = reinterpret_cast<Generation*>(8);
  Generation* const second_ = reinterpret_cast<Generation*>(16);
  // Alone with 1,000 messages a second, a stream without an interval has the shortest default; five
  // have 5 ms each.
  WriteSchedule schedule_{1000};

  // When the next message of `stream` may go, after one at `now`.
  absl::Time NextAfter(Generation* stream, absl::Time now) {
    schedule_.Ready(stream);
    EXPECT_THAT(schedule_.TakeDue(now), ElementsAre(stream));
    schedule_.Written(stream);
    schedule_.Ready(stream);
    const absl::Time next = schedule_.NextDue();
    schedule_.TakeDue(next);
    schedule_.Written(stream);
    return next;
  }
};

TEST_F(WriteScheduleTest, TheFirstMessageGoesAtOnce) {
  schedule_.Add(first_, absl::Milliseconds(2));
  EXPECT_EQ(schedule_.NextDue(), absl::InfiniteFuture());
  schedule_.Ready(first_);
  EXPECT_THAT(schedule_.TakeDue(At(0)), ElementsAre(first_));
}

TEST_F(WriteScheduleTest, TheNextMessageWaitsForTheInterval) {
  schedule_.Add(first_, absl::Milliseconds(2));
  schedule_.Ready(first_);
  schedule_.TakeDue(At(0));
  schedule_.Written(first_);
  schedule_.Ready(first_);
  EXPECT_THAT(schedule_.TakeDue(At(1)), IsEmpty());
  EXPECT_EQ(schedule_.NextDue(), At(2));
  EXPECT_THAT(schedule_.TakeDue(At(2)), ElementsAre(first_));
}

TEST_F(WriteScheduleTest, AStreamWithoutPaceWaitsForNothingButItsOwnMessage) {
  schedule_.Add(first_, absl::ZeroDuration());
  schedule_.Ready(first_);
  schedule_.TakeDue(At(0));
  schedule_.Ready(first_);
  EXPECT_THAT(schedule_.TakeDue(At(0)), IsEmpty());
  schedule_.Written(first_);
  EXPECT_THAT(schedule_.TakeDue(At(0)), ElementsAre(first_));
}

TEST_F(WriteScheduleTest, EachStreamHasAnIntervalOfItsOwn) {
  schedule_.Add(first_, absl::Milliseconds(50));
  schedule_.Add(second_, absl::Milliseconds(5));
  for (Generation* stream : {first_, second_}) schedule_.Ready(stream);
  schedule_.TakeDue(At(0));
  for (Generation* stream : {first_, second_}) {
    schedule_.Written(stream);
    schedule_.Ready(stream);
  }
  EXPECT_THAT(schedule_.TakeDue(At(10)), ElementsAre(second_));
  EXPECT_EQ(schedule_.NextDue(), At(50));
}

TEST_F(WriteScheduleTest, StreamsWithoutAnIntervalShareOutTheMessagesOfASecond) {
  std::vector<Generation*> others;
  for (int i = 0; i < 60; ++i) others.push_back(reinterpret_cast<Generation*>(8 * (i + 3)));
  schedule_.Add(first_, std::nullopt);
  schedule_.Add(second_, absl::Milliseconds(7));
  EXPECT_EQ(NextAfter(first_, At(0)), At(2));
  for (int i = 0; i < 4; ++i) schedule_.Add(others[i], std::nullopt);
  EXPECT_EQ(NextAfter(first_, At(100)), At(105));
  EXPECT_EQ(NextAfter(second_, At(200)), At(207)) << "it has asked for its own";
  for (int i = 4; i < 60; ++i) schedule_.Add(others[i], std::nullopt);
  EXPECT_EQ(NextAfter(first_, At(300)), At(320)) << "the longest";
  for (int i = 2; i < 60; ++i) schedule_.Remove(others[i]);
  EXPECT_EQ(NextAfter(first_, At(400)), At(403));
}

TEST_F(WriteScheduleTest, StreamsOfTheDefaultIntervalThatAreNearlyDueGoAlong) {
  Generation* const third = reinterpret_cast<Generation*>(24);
  Generation* const own = reinterpret_cast<Generation*>(32);
  WriteSchedule schedule(250);  // 12 ms for three
  for (Generation* stream : {first_, second_, third}) schedule.Add(stream, std::nullopt);
  schedule.Add(own, absl::Milliseconds(12));
  const auto send = [&](Generation* stream, int now) {
    schedule.Ready(stream);
    EXPECT_THAT(schedule.TakeDue(At(now)), ElementsAre(stream));
    schedule.Written(stream);
  };
  send(first_, 0);
  send(own, 1);
  send(second_, 3);
  send(third, 4);
  for (Generation* stream : {first_, second_, third, own}) schedule.Ready(stream);
  EXPECT_EQ(schedule.NextDue(), At(12));
  EXPECT_THAT(schedule.TakeDue(At(11)), IsEmpty()) << "nobody is due whom they could go along with";
  EXPECT_THAT(schedule.TakeDue(At(12)), ElementsAre(first_, second_)) << "due at 12 and 15";
  EXPECT_THAT(schedule.TakeDue(At(13)), UnorderedElementsAre(own, third)) << "due at 13 and 16";
}

TEST_F(WriteScheduleTest, ASettledStreamDoesNotWaitForItsInterval) {
  schedule_.Add(first_, absl::Seconds(10));
  schedule_.Ready(first_);
  schedule_.TakeDue(At(0));
  schedule_.Written(first_);
  schedule_.Ready(first_);
  EXPECT_THAT(schedule_.TakeDue(At(1)), IsEmpty());
  schedule_.Ready(first_, /*settled=*/true);
  EXPECT_THAT(schedule_.TakeDue(At(1)), ElementsAre(first_));
  schedule_.Written(first_);
  EXPECT_EQ(schedule_.NextDue(), absl::InfiniteFuture()) << "it went once";
  schedule_.Ready(first_);
  EXPECT_THAT(schedule_.TakeDue(At(2)), IsEmpty()) << "and keeps to its interval again";
}

TEST_F(WriteScheduleTest, NeverSendsTwoMessagesOfAStreamAtOnce) {
  schedule_.Add(first_, absl::Milliseconds(2));
  schedule_.Ready(first_);
  schedule_.TakeDue(At(0));
  schedule_.Ready(first_);
  schedule_.Ready(first_);
  EXPECT_THAT(schedule_.TakeDue(At(100)), IsEmpty());
  EXPECT_EQ(schedule_.NextDue(), absl::InfiniteFuture());
  schedule_.Written(first_);
  EXPECT_THAT(schedule_.TakeDue(At(100)), ElementsAre(first_));
  schedule_.Written(first_);
  EXPECT_THAT(schedule_.TakeDue(At(200)), IsEmpty());
}

TEST_F(WriteScheduleTest, StreamsDoNotWaitForEachOther) {
  schedule_.Add(first_, absl::Milliseconds(2));
  schedule_.Add(second_, absl::Milliseconds(2));
  schedule_.Ready(first_);
  schedule_.TakeDue(At(0));
  schedule_.Ready(second_);
  EXPECT_THAT(schedule_.TakeDue(At(1)), ElementsAre(second_));
  schedule_.Written(second_);
  schedule_.Written(first_);
  schedule_.Ready(first_);
  schedule_.Ready(second_);
  EXPECT_THAT(schedule_.TakeDue(At(3)), UnorderedElementsAre(first_, second_));
}

TEST_F(WriteScheduleTest, ARemovedStreamSendsNoMore) {
  schedule_.Add(first_, absl::Milliseconds(2));
  schedule_.Ready(first_);
  schedule_.Remove(first_);
  EXPECT_THAT(schedule_.TakeDue(At(0)), IsEmpty());
  schedule_.Ready(first_);
  schedule_.Written(first_);
  EXPECT_EQ(schedule_.NextDue(), absl::InfiniteFuture());
}

}  // namespace
}  // namespace derin::server
