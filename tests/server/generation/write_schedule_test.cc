#include "server/generation/write_schedule.h"

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
  WriteSchedule schedule_;
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
