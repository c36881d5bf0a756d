#include "server/storage/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/status/error.h"
#include "server/storage/blob_store.h"
#include "server/storage/data_directory.h"
#include "server/storage/metadata_store.h"
#include "server/storage/restore.h"
#include "server/storage/segment_log.h"
#include "tests/server/storage/stored_resources.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

// A data directory that is in use, and what its server does while it is copied.
class BackupTest : public ::testing::Test {
 protected:
  BackupTest() : directory_(*DataDirectory::Open(data_)), blobs_(directory_.blobs()) {
    store_ = *MetadataStore::Open(directory_.metadata_file());
    log_ = *SegmentLog::Open(directory_.sessions(), {.segment_bytes = 1 << 20},
                             [](const RecordPlace&, RecordKind, std::string_view) {});
  }

  void Add(const std::string& id, const std::string& text) {
    const absl::StatusOr<Blob> blob = blobs_.Write(text);
    ASSERT_TRUE(blob.ok()) << blob.status();
    ASSERT_TRUE(store_->InsertCorpus(TestCorpus(id, text)).ok());
  }
  void Delete(const std::string& id) {
    ASSERT_TRUE(store_->DeleteCorpus(id).ok());
    ASSERT_TRUE(blobs_.Sweep([this] { return store_->DigestsInUse(); }).ok());
  }

  absl::StatusOr<CopyReport> Backup(const CopyListener& listener = nullptr) {
    return WriteBackup(data_, target_, absl::UnixEpoch(), listener);
  }
  // What is there once it is restored.
  std::unique_ptr<MetadataStore> Restore() {
    const absl::StatusOr<CopyReport> report = RestoreBackup(target_, restored_, nullptr);
    EXPECT_TRUE(report.ok()) << report.status();
    return *MetadataStore::Open(restored_ / "metadata.sqlite");
  }
  std::string RestoredText(const std::string& text) {
    return BlobStore(restored_ / "blobs").Read(Sha256Hex(text)).value_or("is missing");
  }

  TemporaryFolder folder_;
  const std::filesystem::path data_ = folder_.path() / "data";
  const std::filesystem::path target_ = folder_.path() / "backup";
  const std::filesystem::path restored_ = folder_.path() / "restored";
  DataDirectory directory_;
  BlobStore blobs_;
  std::unique_ptr<MetadataStore> store_;
  std::unique_ptr<SegmentLog> log_;
};

TEST_F(BackupTest, CopiesADirectoryThatIsInUse) {
  Add("a", "one");
  ASSERT_TRUE(blobs_.Write("an orphan").ok());
  ASSERT_TRUE(log_->Append("header", "body").ok());
  const absl::StatusOr<CopyReport> report = Backup();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->files, 3);
  EXPECT_EQ(report->linked_bytes, 3);
  EXPECT_THAT(NamesIn(folder_.path()), UnorderedElementsAre("data", "backup"));
  EXPECT_THAT(NamesIn(target_),
              UnorderedElementsAre("SHA256SUMS", "metadata.sqlite", "blobs", "sessions"));
  EXPECT_THAT(NamesIn(target_ / "blobs"), ElementsAre(Sha256Hex("one")));
  EXPECT_EQ(std::filesystem::hard_link_count(target_ / "blobs" / Sha256Hex("one")), 2u);
  EXPECT_THAT(NamesIn(target_ / "sessions"), ElementsAre("0000000001.segment"));
}

TEST_F(BackupTest, StaysAsItIsWhenTheServerGoesOn) {
  Add("a", "one");
  ASSERT_TRUE(log_->Append("header", "body").ok());
  ASSERT_TRUE(Backup().ok());
  Delete("a");
  Add("b", "two");
  ASSERT_TRUE(log_->Append("header", "body").ok());
  const auto store = Restore();
  EXPECT_TRUE(store->GetCorpus("a").ok());
  EXPECT_FALSE(store->GetCorpus("b").ok());
  EXPECT_EQ(RestoredText("one"), "one");
}

TEST_F(BackupTest, ABlobThatIsDeletedBeforeItsTurnIsNotNamedEither) {
  for (const char* id : {"a", "b", "c"}) Add(id, absl::StrCat("text of ", id));
  bool deleted = false;
  const absl::StatusOr<CopyReport> report = Backup([&](const CopyProgress& progress) {
    if (!progress.next.starts_with("blobs/") || std::exchange(deleted, true)) return;
    for (const char* id : {"a", "b"}) Delete(id);
  });
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(deleted);
  const auto store = Restore();
  EXPECT_THAT(*store->DigestsInUse(), ElementsAre(Sha256Hex("text of c")));
  EXPECT_EQ(RestoredText("text of c"), "text of c");
  EXPECT_THAT(NamesIn(target_ / "blobs"), ElementsAre(Sha256Hex("text of c")));
}

TEST_F(BackupTest, WhatIsAddedMeanwhileIsWholeOrNotThere) {
  Add("a", "one");
  int added = 0;
  const absl::StatusOr<CopyReport> report = Backup([&](const CopyProgress&) {
    const std::string id = absl::StrCat("later-", ++added);
    Add(id, id);
  });
  ASSERT_TRUE(report.ok()) << report.status();
  const auto store = Restore();
  const auto digests = *store->DigestsInUse();
  EXPECT_GE(digests.size(), 1u);
  for (const std::string& digest : digests) {
    EXPECT_TRUE(BlobStore(restored_ / "blobs").Read(digest).ok()) << digest;
  }
}

TEST_F(BackupTest, ATrainingThatReplacesItsCheckpointsIsCopiedInTheEnd) {
  Add("text", "some text");
  ASSERT_TRUE(store_->InsertTrainingJob(TestJob("job")).ok());
  int64_t step = 0;
  const auto checkpoint = [&] {
    ++step;
    const Blob model = *blobs_.Write(absl::StrCat("model ", step));
    const Blob state = *blobs_.Write(absl::StrCat("state ", step));
    StoredCheckpoint stored{.model_sha256 = model.sha256, .state_sha256 = state.sha256};
    stored.checkpoint.set_step(step);
    ASSERT_TRUE(store_->InsertTrainingCheckpoint("job", stored, {.newest = 1}).ok());
    ASSERT_TRUE(blobs_.Sweep([this] { return store_->DigestsInUse(); }).ok());
  };
  checkpoint();
  // Each of the first five times that blobs are copied, a checkpoint takes the place of the last.
  const absl::StatusOr<CopyReport> report = Backup([&](const CopyProgress& progress) {
    if (progress.next.starts_with("blobs/") && step < 6) checkpoint();
  });
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(step, 6);
  const auto store = Restore();
  const auto stored = store->ListTrainingCheckpoints("job");
  ASSERT_EQ(stored->size(), 1u);
  EXPECT_EQ(RestoredText(absl::StrCat("state ", stored->front().checkpoint.step())),
            absl::StrCat("state ", stored->front().checkpoint.step()));
}

TEST_F(BackupTest, AServerThatIsAlwaysFasterIsAnErrorThatLeavesNothing) {
  Add("a-0", "text 0");
  int number = 0;
  const absl::StatusOr<CopyReport> report = Backup([&](const CopyProgress& progress) {
    if (!progress.next.starts_with("blobs/")) return;
    Delete(absl::StrCat("a-", number++));
    Add(absl::StrCat("a-", number), absl::StrCat("text ", number));
  });
  EXPECT_EQ(report.status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ErrorReason(report.status()), "BACKUP_OVERTAKEN");
  EXPECT_THAT(NamesIn(folder_.path()), ElementsAre("data"));
}

TEST_F(BackupTest, AVersionThatASessionNamesIsInTheMetadata) {
  ASSERT_TRUE(log_->Append("of an older model", "body").ok());
  bool opened = false;
  // A model is published and a session of it opened, just before the sessions are copied.
  const absl::StatusOr<CopyReport> report = Backup([&](const CopyProgress& progress) {
    if (!progress.next.starts_with("sessions/") || std::exchange(opened, true)) return;
    const Blob weights = *blobs_.Write("weights");
    v1::ModelVersion version;
    version.set_sha256(weights.sha256);
    ASSERT_TRUE(store_->InsertModelVersion("m", version).ok());
    ASSERT_TRUE(log_->Append("models/m/versions/1", "body").ok());
  });
  ASSERT_TRUE(report.ok()) << report.status();
  const auto store = Restore();
  std::vector<std::string> headers;
  const auto log =
      SegmentLog::Open(restored_ / "sessions", {},
                       [&headers](const RecordPlace&, RecordKind, std::string_view header) {
                         headers.emplace_back(header);
                       });
  EXPECT_THAT(headers, ElementsAre("of an older model", "models/m/versions/1"));
  EXPECT_TRUE(store->GetModelVersion({.model_id = "m", .version = 1}).ok());
  EXPECT_EQ(RestoredText("weights"), "weights");
}

TEST_F(BackupTest, ADamagedBlobIsNamedAndLeavesNothing) {
  Add("a", "one");
  WriteTestFile(directory_.blobs() / Sha256Hex("one"), "two");
  const absl::Status status = Backup().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr(Sha256Hex("one")));
  EXPECT_THAT(NamesIn(folder_.path()), ElementsAre("data"));
}

TEST_F(BackupTest, RefusesATargetThatIsTakenOrInsideTheData) {
  std::filesystem::create_directory(target_);
  WriteTestFile(target_ / "theirs", "x");
  EXPECT_EQ(ErrorReason(Backup().status()), "NOT_EMPTY");
  EXPECT_THAT(NamesIn(target_), ElementsAre("theirs"));
  const auto inside = WriteBackup(data_, data_ / "blobs" / "backup", absl::UnixEpoch(), nullptr);
  EXPECT_EQ(ErrorReason(inside.status()), "INSIDE_DATA_DIRECTORY");
}

TEST_F(BackupTest, RefusesWhatIsNoDataDirectory) {
  for (const auto& data : {folder_.path(), folder_.path() / "gone"}) {
    const auto report = WriteBackup(data, target_, absl::UnixEpoch(), nullptr);
    EXPECT_EQ(ErrorReason(report.status()), "NO_DATA_DIRECTORY");
    EXPECT_THAT(std::string(report.status().message()), HasSubstr(data.native()));
  }
  EXPECT_THAT(NamesIn(folder_.path()), ElementsAre("data"));
}

}  // namespace
}  // namespace derin::server
