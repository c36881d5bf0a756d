#include "server/rpc/status_mapping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "model/text/utf8.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

using ::testing::SizeIs;

google::rpc::Status DetailsOf(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

template <typename Message>
Message Unpacked(const google::protobuf::Any& any) {
  Message message;
  EXPECT_TRUE(any.UnpackTo(&message)) << any.type_url();
  return message;
}

bool IsValidUtf8(const std::string& text) {
  Utf8Checker checker;
  return checker.Append(text).ok() && checker.Finish().ok();
}

TEST(StatusMapping, OkCarriesNothing) {
  const grpc::Status status = ToGrpcStatus(absl::OkStatus());
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.error_details(), "");
}

TEST(StatusMapping, CodesKeepTheirNumbers) {
  for (int code = 1; code <= 16; ++code) {
    const grpc::Status status =
        ToGrpcStatus(absl::Status(static_cast<absl::StatusCode>(code), "message"));
    EXPECT_EQ(static_cast<int>(status.error_code()), code);
    EXPECT_EQ(status.error_message(), "message");
    EXPECT_EQ(DetailsOf(status).code(), code);
    EXPECT_EQ(DetailsOf(status).message(), "message");
  }
}

TEST(StatusMapping, ARefusalCarriesItsReason) {
  const google::rpc::Status details =
      DetailsOf(ToGrpcStatus(Refusal(absl::StatusCode::kAborted, "SESSION_BUSY", "it generates")));
  ASSERT_THAT(details.details(), SizeIs(1));
  const auto info = Unpacked<google::rpc::ErrorInfo>(details.details(0));
  EXPECT_EQ(info.reason(), "SESSION_BUSY");
  EXPECT_EQ(info.domain(), "derin");
}

TEST(StatusMapping, AnErrorWithoutReasonCarriesItsCodesName) {
  const google::rpc::Status details = DetailsOf(ToGrpcStatus(absl::NotFoundError("nothing")));
  ASSERT_THAT(details.details(), SizeIs(1));
  EXPECT_EQ(Unpacked<google::rpc::ErrorInfo>(details.details(0)).reason(), "NOT_FOUND");
}

TEST(StatusMapping, AnInvalidFieldIsABadRequest) {
  const grpc::Status status = ToGrpcStatus(InvalidField("spec.batch", "got 0, wanted 1 to 512"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const google::rpc::Status details = DetailsOf(status);
  ASSERT_THAT(details.details(), SizeIs(2));
  EXPECT_EQ(Unpacked<google::rpc::ErrorInfo>(details.details(0)).reason(), "INVALID_FIELD");
  const auto request = Unpacked<google::rpc::BadRequest>(details.details(1));
  ASSERT_THAT(request.field_violations(), SizeIs(1));
  EXPECT_EQ(request.field_violations(0).field(), "spec.batch");
  EXPECT_EQ(request.field_violations(0).description(), status.error_message());
}

TEST(StatusMapping, ARetryHintIsRetryInfo) {
  const google::rpc::Status details = DetailsOf(ToGrpcStatus(
      WithRetryAfter(Refusal(absl::StatusCode::kResourceExhausted, "STREAMS_FULL", "full"),
                     absl::Milliseconds(1500))));
  ASSERT_THAT(details.details(), SizeIs(2));
  const auto retry = Unpacked<google::rpc::RetryInfo>(details.details(1));
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(retry.retry_delay().nanos(), 500'000'000);
}

TEST(StatusMapping, LongMessagesFitTheTrailersAsValidUtf8) {
  for (const char* piece : {"a", "ş", "語", "🐙"}) {
    for (int shift = 0; shift < 4; ++shift) {
      std::string message(shift, 'x');
      while (message.size() < 100'000) message += piece;
      const grpc::Status status = ToGrpcStatus(InvalidField(message, message));
      EXPECT_TRUE(IsValidUtf8(status.error_message()));
      // As sent: percent-encoded and in base64.
      EXPECT_LT(3 * status.error_message().size() + status.error_details().size() * 4 / 3,
                6 * 1024);
      EXPECT_TRUE(IsValidUtf8(DetailsOf(status).message()));
    }
  }
}

TEST(StatusMapping, BytesThatAreNoTextAreReplaced) {
  const grpc::Status status = ToGrpcStatus(absl::InvalidArgumentError("got \xff\xfe and \xe8\xaa"));
  EXPECT_TRUE(IsValidUtf8(status.error_message()));
  EXPECT_EQ(status.error_message().substr(0, 4), "got ");
  EXPECT_EQ(DetailsOf(status).message(), status.error_message());
}

}  // namespace
}  // namespace derin::server
