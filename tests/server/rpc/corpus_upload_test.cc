#include "server/rpc/corpus_upload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "server/rpc/upload_check.h"
#include "server/status/error.h"
#include "server/storage/data_directory.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;

class CorpusUploadTest : public ::testing::Test {
 protected:
  CorpusUploadTest() {
    absl::StatusOr<DataDirectory> directory = DataDirectory::Open(folder_.path() / "data");
    EXPECT_TRUE(directory.ok()) << directory.status();
    directory_ = std::make_unique<DataDirectory>(*std::move(directory));
    absl::StatusOr<std::unique_ptr<MetadataStore>> store =
        MetadataStore::Open(directory_->metadata_file());
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    blobs_ = std::make_unique<BlobStore>(directory_->blobs());
  }
  static v1::UploadCorpusHeader Header(const std::string& id = "alice") {
    v1::UploadCorpusHeader header;
    header.set_corpus_id(id);
    return header;
  }

  absl::StatusOr<v1::Corpus> Upload(const v1::UploadCorpusHeader& header, std::string_view text,
                                    size_t piece = kMaxChunkBytes, int64_t max_bytes = 1 << 20) {
    absl::StatusOr<CorpusUpload> upload = CorpusUpload::Begin(header, *blobs_, max_bytes);
    if (!upload.ok()) return upload.status();
    for (size_t i = 0; i < text.size(); i += piece) {
      if (absl::Status status = upload->Append(text.substr(i, piece)); !status.ok()) return status;
    }
    return upload->Finish(*store_, absl::FromUnixSeconds(1'700'000'000));
  }

  // Regular files below the blob folder.
  int BlobFiles() const {
    int files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_->blobs())) {
      files += entry.is_regular_file();
    }
    return files;
  }

  const TemporaryFolder folder_;
  std::unique_ptr<DataDirectory> directory_;
  std::unique_ptr<MetadataStore> store_;
  std::unique_ptr<BlobStore> blobs_;
};

TEST_F(CorpusUploadTest, StoresTheTextWithItsFigures) {
  const std::string text = "Ağaç, ağaç.\n";
  for (size_t piece : {size_t{1}, size_t{2}, size_t{5}, text.size()}) {
    const absl::StatusOr<v1::Corpus> corpus = Upload(Header(), text, piece);
    ASSERT_TRUE(corpus.ok()) << corpus.status();
    EXPECT_EQ(corpus->name(), "corpora/alice");
    EXPECT_EQ(corpus->normalization(), v1::NORMALIZATION_RAW);
    EXPECT_EQ(corpus->size_bytes(), static_cast<int64_t>(text.size()));
    EXPECT_EQ(corpus->character_count(), 12);
    EXPECT_EQ(corpus->vocabulary_size(), 9);
    EXPECT_EQ(corpus->create_time().seconds(), 1'700'000'000);
    EXPECT_EQ(corpus->sha256(), Sha256Hex(text));
    EXPECT_GT(corpus->most_frequent_size(), 0);
    const absl::StatusOr<std::string> stored = blobs_->Read(corpus->sha256());
    ASSERT_TRUE(stored.ok()) << stored.status();
    EXPECT_EQ(*stored, text);
  }
  EXPECT_EQ(BlobFiles(), 1);
}

TEST_F(CorpusUploadTest, CleansTheTextAndCountsWhatIsLeft) {
  v1::UploadCorpusHeader header = Header();
  header.set_normalization(v1::NORMALIZATION_D2L_LETTERS);
  const absl::StatusOr<v1::Corpus> corpus = Upload(header, "  The Time\r\nMachine, 1895\n\n", 3);
  ASSERT_TRUE(corpus.ok()) << corpus.status();
  EXPECT_EQ(corpus->normalization(), v1::NORMALIZATION_D2L_LETTERS);
  EXPECT_EQ(*blobs_->Read(corpus->sha256()), "the timemachine");
  EXPECT_EQ(corpus->character_count(), 15);
  EXPECT_EQ(corpus->vocabulary_size(), 10);
}

TEST_F(CorpusUploadTest, HeadersAtFaultAreRefusedByField) {
  v1::UploadCorpusHeader bad_digest = Header();
  bad_digest.set_sha256("abc");
  v1::UploadCorpusHeader bad_normalization = Header();
  bad_normalization.set_normalization(static_cast<v1::Normalization>(77));
  const std::pair<v1::UploadCorpusHeader, const char*> cases[] = {
      {Header(""), "header.corpus_id"},
      {Header("Alice"), "header.corpus_id"},
      {Header(std::string(64, 'a')), "header.corpus_id"},
      {bad_digest, "header.sha256"},
      {bad_normalization, "header.normalization"},
  };
  for (const auto& [header, field] : cases) {
    const absl::Status status = Upload(header, "text").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ErrorField(status), field);
  }
}

TEST_F(CorpusUploadTest, TextThatIsNotUtf8IsRefusedWithTheOffsetAndLeavesNothing) {
  for (size_t piece : {size_t{1}, size_t{4}, size_t{100}}) {
    const absl::Status status = Upload(Header(), "good \xff bad", piece).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ErrorReason(status), "NOT_UTF8");
    EXPECT_EQ(status.message(),
              "the text is not UTF-8: no character starts at byte offset 5 (byte 0xFF)");
  }
  EXPECT_EQ(ErrorReason(Upload(Header(), "cut \xe8\xaa").status()), "NOT_UTF8");
  EXPECT_EQ(BlobFiles(), 0);
  EXPECT_EQ(store_->GetCorpus("alice").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(CorpusUploadTest, AnEmptyTextIsRefused) {
  EXPECT_EQ(ErrorReason(Upload(Header(), "").status()), "EMPTY_TEXT");
  v1::UploadCorpusHeader header = Header();
  header.set_normalization(v1::NORMALIZATION_D2L_LETTERS);
  const absl::Status status = Upload(header, "1895 ... \n").status();
  EXPECT_EQ(ErrorReason(status), "EMPTY_TEXT");
  EXPECT_THAT(std::string(status.message()), HasSubstr("d2l-letters"));
  EXPECT_EQ(BlobFiles(), 0);
}

TEST_F(CorpusUploadTest, WhatArrivedDifferentlyIsDataLoss) {
  v1::UploadCorpusHeader header = Header();
  header.set_sha256(Sha256Hex("sent"));
  const absl::Status status = Upload(header, "arrived").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ErrorReason(status), "DIGEST_MISMATCH");
  EXPECT_EQ(BlobFiles(), 0);
  header.set_sha256(absl::AsciiStrToUpper(Sha256Hex("arrived")));
  EXPECT_TRUE(Upload(header, "arrived").ok());
}

TEST_F(CorpusUploadTest, TheLimitCountsBytesAsSent) {
  EXPECT_TRUE(Upload(Header(), "0123456789", 3, 10).ok());
  const absl::Status status = Upload(Header("other"), "0123456789a", 3, 10).status();
  EXPECT_EQ(ErrorReason(status), "CORPUS_TOO_LARGE");
  EXPECT_TRUE(absl::EndsWith(status.message(), "--max-corpus-bytes")) << status;
  EXPECT_EQ(store_->GetCorpus("other").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(CorpusUploadTest, ChunksAboveAMebibyteAreRefused) {
  const std::string text(kMaxChunkBytes + 1, 'a');
  EXPECT_TRUE(Upload(Header(), text, kMaxChunkBytes, 1 << 30).ok());
  EXPECT_EQ(ErrorField(Upload(Header("other"), text, text.size(), 1 << 30).status()), "chunk");
}

TEST_F(CorpusUploadTest, TheSameTextAgainAnswersAsTheFirstTimeAnotherIsRefused) {
  ASSERT_TRUE(Upload(Header(), "one").ok());
  EXPECT_TRUE(Upload(Header(), "one").ok());
  const absl::Status status = Upload(Header(), "two").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(*blobs_->Read(store_->GetCorpus("alice")->sha256()), "one");
}

}  // namespace
}  // namespace derin::server
