#include "server/storage/backup_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_replace.h"
#include "server/status/error.h"
#include "server/storage/sha256.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;

BackupManifest Sample() {
  return {.schema_version = 5,
          .time = "2026-01-02T03:04:05Z",
          .files = {{"metadata.sqlite", Sha256Hex("m")},
                    {"blobs/" + Sha256Hex("b"), Sha256Hex("b")},
                    {"sessions/0000000001.segment", Sha256Hex("s")}}};
}

TEST(BackupManifest, ReadsWhatItWrites) {
  const std::string text = EncodeManifest(Sample());
  EXPECT_THAT(text, HasSubstr("\n" + Sha256Hex("m") + "  metadata.sqlite\n"));
  const auto read = DecodeManifest(text);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->schema_version, 5);
  EXPECT_EQ(read->time, "2026-01-02T03:04:05Z");
  EXPECT_EQ(read->files, Sample().files);
}

TEST(BackupManifest, WithoutItsEndOrWithAnyOtherByteItIsRefused) {
  const std::string text = EncodeManifest(Sample());
  for (size_t size = 0; size < text.size(); ++size) {
    const absl::Status cut = DecodeManifest(text.substr(0, size)).status();
    EXPECT_EQ(cut.code(), absl::StatusCode::kDataLoss) << size;
    std::string other = text;
    other[size] ^= 2;
    EXPECT_FALSE(DecodeManifest(other).ok()) << size;
  }
  EXPECT_EQ(ErrorReason(DecodeManifest("").status()), "BACKUP_DAMAGED");
}

TEST(BackupManifest, ANewerFormatIsSaid) {
  const std::string text =
      absl::StrReplaceAll(EncodeManifest(Sample()), {{"# derin backup 1\n", "# derin backup 2\n"}});
  EXPECT_EQ(ErrorReason(DecodeManifest(text).status()), "BACKUP_TOO_NEW");
}

TEST(BackupManifest, NoPathLeadsOutOfTheFolder) {
  for (const char* path : {"../x", "/etc/passwd", "blobs/../x", "blobs/", "sessions/a/b", "lock"}) {
    BackupManifest manifest = Sample();
    manifest.files[path] = Sha256Hex("x");
    EXPECT_EQ(ErrorReason(DecodeManifest(EncodeManifest(manifest)).status()), "BACKUP_DAMAGED")
        << path;
  }
}

}  // namespace
}  // namespace derin::server
