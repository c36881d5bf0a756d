#include "server/storage/restore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "server/status/error.h"
#include "server/storage/backup.h"
#include "server/storage/backup_manifest.h"
#include "server/storage/blob_store.h"
#include "server/storage/data_directory.h"
#include "server/storage/metadata_store.h"
#include "server/storage/schema.h"
#include "server/storage/segment_log.h"
#include "tests/server/storage/stored_resources.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// A backup of a data directory with one of everything.
class RestoreTest : public ::testing::Test {
 protected:
  RestoreTest() {
    const auto directory = DataDirectory::Open(folder_.path() / "data");
    BlobStore blobs(directory->blobs());
    const Blob blob = *blobs.Write("text");
    const auto store = *MetadataStore::Open(directory->metadata_file());
    EXPECT_TRUE(store->InsertCorpus(TestCorpus("a", "text")).ok());
    const auto log = *SegmentLog::Open(directory->sessions(), {.segment_bytes = 30},
                                       [](const RecordPlace&, RecordKind, std::string_view) {});
    EXPECT_TRUE(log->Append("header", "body").ok());
    EXPECT_TRUE(log->Append("another", "body").ok());
    log->IndexSealed();
    const auto report = WriteBackup(directory->path(), backup_, absl::UnixEpoch(), nullptr);
    EXPECT_TRUE(report.ok()) << report.status();
  }

  absl::Status Restore() { return RestoreBackup(backup_, data_, nullptr).status(); }
  BackupManifest Manifest() const { return *DecodeManifest(ReadTestFile(backup_ / kManifestName)); }
  void Write(const BackupManifest& manifest) {
    WriteTestFile(backup_ / kManifestName, EncodeManifest(manifest));
  }
  // Nothing was made.
  void ExpectNothing() const {
    EXPECT_THAT(NamesIn(folder_.path()), UnorderedElementsAre("data", "backup"));
  }

  TemporaryFolder folder_;
  const std::filesystem::path backup_ = folder_.path() / "backup";
  const std::filesystem::path data_ = folder_.path() / "new";
};

TEST_F(RestoreTest, MakesADataDirectoryThatSharesNothingWithTheBackup) {
  int64_t files = 0;
  const auto report =
      RestoreBackup(backup_, data_, [&](const CopyProgress& progress) { files = progress.files; });
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->files, 6);  // metadata, blob, two segments and their indexes
  EXPECT_EQ(files, 5);
  EXPECT_EQ(report->linked_bytes, 0);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data_)) {
    if (!entry.is_regular_file()) continue;
    EXPECT_EQ(entry.hard_link_count(), 1u) << entry.path();
  }
  const auto directory = DataDirectory::Open(data_);
  ASSERT_TRUE(directory.ok()) << directory.status();
  EXPECT_TRUE((*MetadataStore::Open(directory->metadata_file()))->GetCorpus("a").ok());
  EXPECT_EQ(*BlobStore(directory->blobs()).Read(Sha256Hex("text")), "text");
}

TEST_F(RestoreTest, AFileWithAnyOtherByteIsNamedAndNothingIsMade) {
  for (const auto& [path, digest] : Manifest().files) {
    const std::string content = ReadTestFile(backup_ / path);
    std::string other = content;
    other[other.size() / 2] ^= 1;
    std::filesystem::remove(backup_ / path);  // or the data directory's would change as well
    WriteTestFile(backup_ / path, other);
    const absl::Status status = Restore();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << path;
    EXPECT_EQ(ErrorReason(status), "BACKUP_DAMAGED");
    EXPECT_THAT(std::string(status.message()), HasSubstr(path));
    ExpectNothing();
    WriteTestFile(backup_ / path, content);
  }
  EXPECT_TRUE(Restore().ok());
}

TEST_F(RestoreTest, AMissingFileIsNamed) {
  std::filesystem::remove(backup_ / "sessions" / "0000000001.segment");
  const absl::Status status = Restore();
  EXPECT_EQ(ErrorReason(status), "BACKUP_DAMAGED");
  EXPECT_THAT(std::string(status.message()), HasSubstr("0000000001.segment\" is missing"));
  ExpectNothing();
}

TEST_F(RestoreTest, ABackupThatWasNotFinishedIsNone) {
  std::filesystem::remove(backup_ / kManifestName);
  EXPECT_EQ(ErrorReason(Restore()), "NO_BACKUP");
  EXPECT_EQ(ErrorReason(RestoreBackup(folder_.path() / "gone", data_, nullptr).status()),
            "NO_BACKUP");
  ExpectNothing();
}

TEST_F(RestoreTest, ABlobThatTheManifestLeavesOutIsMissed) {
  BackupManifest manifest = Manifest();
  manifest.files.erase("blobs/" + Sha256Hex("text"));
  Write(manifest);
  EXPECT_THAT(std::string(Restore().message()), HasSubstr(Sha256Hex("text")));
  manifest.files.erase("metadata.sqlite");
  Write(manifest);
  EXPECT_THAT(std::string(Restore().message()), HasSubstr("metadata.sqlite"));
  ExpectNothing();
}

TEST_F(RestoreTest, ANewerSchemaIsSaidBeforeAnythingIsRead) {
  BackupManifest manifest = Manifest();
  manifest.schema_version = static_cast<int64_t>(kMigrations.size()) + 1;
  Write(manifest);
  std::filesystem::remove(backup_ / "metadata.sqlite");
  const absl::Status status = Restore();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(status), "METADATA_TOO_NEW");
  EXPECT_THAT(std::string(status.message()), HasSubstr("newer derind"));
  ExpectNothing();
}

TEST_F(RestoreTest, RefusesADirectoryThatIsInUseOrNotEmpty) {
  {
    const auto directory = DataDirectory::Open(data_);
    ASSERT_TRUE(directory.ok()) << directory.status();
    EXPECT_EQ(ErrorReason(Restore()), "DATA_DIRECTORY_IN_USE");
  }
  EXPECT_EQ(ErrorReason(Restore()), "NOT_EMPTY");
  EXPECT_THAT(NamesIn(data_ / "blobs"), IsEmpty());
}

}  // namespace
}  // namespace derin::server
