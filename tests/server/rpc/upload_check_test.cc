#include "server/rpc/upload_check.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(UploadCheck, TakesTheDigestThatAHeaderAnnouncesInEitherCase) {
  const std::string digest(64, 'a');
  EXPECT_EQ(*AnnouncedSha256(std::string(64, 'A')), digest);
  EXPECT_EQ(*AnnouncedSha256(""), "");
  const absl::Status status = AnnouncedSha256("abc").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("header.sha256"), HasSubstr("\"abc\"")));
}

TEST(UploadCheck, BoundsAChunk) {
  EXPECT_TRUE(CheckChunk(std::string(kMaxChunkBytes, 'x')).ok());
  const absl::Status status = CheckChunk(std::string(kMaxChunkBytes + 1, 'x'));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("chunk"), HasSubstr("1048577")));
}

TEST(UploadCheck, ComparesWhatArrivedWithWhatWasAnnouncedIfAnythingWas) {
  EXPECT_TRUE(CheckArrived("", "aa", 7).ok());
  EXPECT_TRUE(CheckArrived("aa", "aa", 7).ok());
  const absl::Status status = CheckArrived("bb", "aa", 7);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ErrorReason(status), "DIGEST_MISMATCH");
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("7 bytes"), HasSubstr("aa"), HasSubstr("wanted bb")));
}

}  // namespace
}  // namespace derin::server
