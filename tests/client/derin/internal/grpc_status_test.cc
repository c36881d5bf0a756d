#include "derin/internal/grpc_status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "derin/client/error.h"
#include "tests/client/fake_server.h"

namespace derin::client::internal {
namespace {

using ::derin::testing::Message;
using ::derin::testing::Refusal;
using ::testing::HasSubstr;

constexpr char kAddress[] = "10.0.0.1:50051";

TEST(GrpcStatus, KeepsCodeMessageAndDetailsOfTheServersErrors) {
  const absl::Status status = FromGrpc(Refusal{.code = grpc::StatusCode::INVALID_ARGUMENT,
                                               .message = "batch: got 0, wanted 1 to 512",
                                               .reason = "INVALID_FIELD",
                                               .field = "training_job.spec.batch"}
                                           .ToGrpc(),
                                       kAddress);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(status), "batch: got 0, wanted 1 to 512");
  EXPECT_EQ(ErrorReason(status), "INVALID_FIELD");
  EXPECT_EQ(ErrorField(status), "training_job.spec.batch");
  EXPECT_EQ(ErrorRetryDelay(status), std::nullopt);
}

TEST(GrpcStatus, IsOkWhenTheCallWas) { EXPECT_TRUE(FromGrpc(grpc::Status::OK, kAddress).ok()); }

TEST(GrpcStatus, SaysWhatToDoWhenThereIsNoConnection) {
  const absl::Status status =
      FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE,
                            "failed to connect; last error: UNKNOWN: refused"),
               kAddress);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Message(status),
            "nothing answers at 10.0.0.1:50051 (refused): is derind running there?");
}

TEST(GrpcStatus, SaysHowToStartAServerOnThisMachine) {
  for (const std::string here : {"127.0.0.1:50051", "localhost:1", "[::1]:1", "unix:/run/derin"}) {
    EXPECT_EQ(Message(Unreachable(here, "")),
              "nothing answers at " + here +
                  ": is derind running? start it with: derind --listen " + here);
  }
}

// A server that stops is UNAVAILABLE too, and says so itself.
TEST(GrpcStatus, LeavesTheServersOwnUnavailableAlone) {
  const absl::Status status = FromGrpc(Refusal{.code = grpc::StatusCode::UNAVAILABLE,
                                               .message = "the server is stopping",
                                               .reason = "SERVER_STOPPING"}
                                           .ToGrpc(),
                                       kAddress);
  EXPECT_EQ(Message(status), "the server is stopping");
}

TEST(GrpcStatus, NamesTheServerThatDoesNotKnowACallOrDoesNotAnswer) {
  EXPECT_THAT(Message(FromGrpc(grpc::Status(grpc::StatusCode::UNIMPLEMENTED, ""), kAddress)),
              HasSubstr("10.0.0.1:50051 does not know this call"));
  EXPECT_THAT(Message(FromGrpc(grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, ""), kAddress)),
              HasSubstr("10.0.0.1:50051 did not answer in time"));
}

TEST(GrpcStatus, TakesACallThatTheServerCancelledForAServerThatStops) {
  const absl::Status status = FromGrpc(grpc::Status(grpc::StatusCode::CANCELLED, ""), kAddress);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Message(status), "the server at 10.0.0.1:50051 ended the call; it may be stopping");
}

TEST(GrpcStatus, TakesTheMessageWhenTheDetailsAreNoMessage) {
  const absl::Status status = FromGrpc(
      grpc::Status(grpc::StatusCode::INTERNAL, "something", "\xff\xff not a Status"), kAddress);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Message(status), "something");
}

}  // namespace
}  // namespace derin::client::internal
