#include "derin/client/error.h"

#include <gtest/gtest.h>

#include "absl/strings/cord.h"

namespace derin::client {
namespace {

TEST(Error, CarriesNothingUnlessTheServerSentIt) {
  const absl::Status status = absl::NotFoundError("gone");
  EXPECT_EQ(ErrorReason(status), "");
  EXPECT_EQ(ErrorField(status), "");
  EXPECT_EQ(ErrorRetryDelay(status), std::nullopt);
  EXPECT_EQ(ErrorReason(absl::OkStatus()), "");
}

// Bytes on the wire, so that they are read as googleapis' own messages would be.
TEST(Error, ReadsGoogleRpcMessagesFromTheirBytes) {
  absl::Status status = absl::UnavailableError("busy");
  status.SetPayload("type.googleapis.com/google.rpc.ErrorInfo", absl::Cord("\x0a\x04"
                                                                           "BUSY"));
  // BadRequest { field_violations { field: "seed" } }.
  status.SetPayload("type.googleapis.com/google.rpc.BadRequest",
                    absl::Cord("\x0a\x06\x0a\x04seed"));
  // RetryInfo { retry_delay { seconds: 2 nanos: 1 } }.
  status.SetPayload("type.googleapis.com/google.rpc.RetryInfo",
                    absl::Cord("\x0a\x04\x08\x02\x10\x01"));
  EXPECT_EQ(ErrorReason(status), "BUSY");
  EXPECT_EQ(ErrorField(status), "seed");
  EXPECT_EQ(ErrorRetryDelay(status), absl::Seconds(2) + absl::Nanoseconds(1));
}

TEST(Error, IgnoresBytesThatAreNoMessage) {
  absl::Status status = absl::UnavailableError("busy");
  status.SetPayload("type.googleapis.com/google.rpc.ErrorInfo", absl::Cord("\x0a\xff"));
  status.SetPayload("type.googleapis.com/google.rpc.RetryInfo", absl::Cord("\xff"));
  EXPECT_EQ(ErrorReason(status), "");
  EXPECT_EQ(ErrorRetryDelay(status), std::nullopt);
}

}  // namespace
}  // namespace derin::client
