#include "server/status/error.h"

#include <gtest/gtest.h>

namespace derin::server {
namespace {

TEST(Error, CarriesItsReasonBesideCodeAndMessage) {
  const absl::Status status = Refusal(absl::StatusCode::kAborted, "SESSION_BUSY", "it is busy");
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(status.message(), "it is busy");
  EXPECT_EQ(ErrorReason(status), "SESSION_BUSY");
  EXPECT_EQ(ErrorField(status), "");
  EXPECT_EQ(ErrorRetryDelay(status), std::nullopt);
}

TEST(Error, InvalidFieldNamesTheFieldForPeopleAndMachines) {
  const absl::Status status = InvalidField("training_job.spec.batch", "got 0, wanted 1 to 512");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "training_job.spec.batch: got 0, wanted 1 to 512");
  EXPECT_EQ(ErrorField(status), "training_job.spec.batch");
  EXPECT_EQ(ErrorReason(status), "INVALID_FIELD");
}

TEST(Error, RetryDelayComesBackExactly) {
  const absl::Status full =
      Refusal(absl::StatusCode::kResourceExhausted, "SESSIONS_FULL", "no room");
  for (const absl::Duration delay :
       {absl::Milliseconds(1500), absl::Nanoseconds(1), absl::ZeroDuration(), absl::Hours(30)}) {
    const absl::Status status = WithRetryAfter(full, delay);
    EXPECT_EQ(ErrorRetryDelay(status), delay);
    EXPECT_EQ(ErrorReason(status), "SESSIONS_FULL");
    EXPECT_EQ(status.message(), "no room");
  }
}

TEST(Error, AStoppingServerSaysWhenToTryAgain) {
  const absl::Status status = ServerStopping();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(status), "SERVER_STOPPING");
  EXPECT_EQ(ErrorRetryDelay(status), absl::Seconds(1));
}

TEST(Error, StatusOfAnotherOriginCarriesNothing) {
  const absl::Status status = absl::InternalError("broken");
  EXPECT_EQ(ErrorReason(status), "");
  EXPECT_EQ(ErrorField(status), "");
  EXPECT_EQ(ErrorRetryDelay(status), std::nullopt);
}

}  // namespace
}  // namespace derin::server
