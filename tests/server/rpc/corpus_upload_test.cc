#include "server/rpc/corpus_upload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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
    uploads_ = std::make_unique<UploadStore>(*store_, directory_->uploads(),
                                             [] { return absl::FromUnixSeconds(1'700'000'000); });
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
  std::unique_ptr<UploadStore> uploads_;
};

// Uploads of the id `u`, in calls that break.
class ResumedCorpusUploadTest : public CorpusUploadTest {
 protected:
  ResumedCorpusUploadTest() { header_.set_upload_id("u"); }

  ByteQuota quota_{.owner = "ada"};

  absl::StatusOr<CorpusUpload> Begin(int64_t offset) {
    header_.set_offset(offset);
    return CorpusUpload::Begin(header_, *blobs_, 1 << 20, *uploads_, quota_);
  }
  // One call that sends `text` behind `offset` and breaks.
  absl::Status Break(int64_t offset, std::string_view text) {
    absl::StatusOr<CorpusUpload> upload = Begin(offset);
    return upload.ok() ? upload->Append(text) : upload.status();
  }
  // One that ends.
  absl::StatusOr<v1::Corpus> End(int64_t offset, std::string_view text) {
    absl::StatusOr<CorpusUpload> upload = Begin(offset);
    if (!upload.ok()) return upload.status();
    if (absl::Status status = upload->Append(text); !status.ok()) return status;
    return upload->Finish(*store_, absl::FromUnixSeconds(1'700'000'000));
  }
  int64_t Committed() const {
    const auto upload = uploads_->Describe("ada", "u");
    return upload.ok() ? upload->committed_bytes() : -1;
  }

  v1::UploadCorpusHeader header_ = Header();
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

TEST_F(ResumedCorpusUploadTest, BrokenAtAnyByteItStoresWhatOneCallWould) {
  const std::string text = "  Ağaç, ağaç: 語.\nline Two";
  for (const v1::Normalization each : {v1::NORMALIZATION_RAW, v1::NORMALIZATION_D2L_LETTERS}) {
    v1::UploadCorpusHeader whole = Header("whole");
    whole.set_normalization(each);
    const auto expected = Upload(whole, text);
    ASSERT_TRUE(expected.ok()) << expected.status();
    header_.set_normalization(each);
    header_.set_sha256(Sha256Hex(text));
    for (size_t cut = 0; cut <= text.size(); ++cut) {
      ASSERT_TRUE(Break(0, text.substr(0, cut)).ok());
      EXPECT_EQ(Committed(), static_cast<int64_t>(cut));
      const auto corpus = End(static_cast<int64_t>(cut), text.substr(cut));
      ASSERT_TRUE(corpus.ok()) << corpus.status();
      EXPECT_EQ(corpus->sha256(), expected->sha256());
      EXPECT_EQ(corpus->character_count(), expected->character_count());
      EXPECT_EQ(corpus->most_frequent(0).count(), expected->most_frequent(0).count());
      ASSERT_TRUE(store_->DeleteCorpus("alice").ok());
    }
    ASSERT_TRUE(store_->DeleteCorpus("whole").ok());
  }
}

class DocumentsTest : public ResumedCorpusUploadTest {
 protected:
  struct Document {
    std::string name, text;
  };
  // One call that sends what is behind `offset`, as a client does.
  absl::StatusOr<v1::Corpus> Send(const std::vector<Document>& documents, int64_t offset = 0,
                                  bool end = true) {
    absl::StatusOr<CorpusUpload> upload = Begin(offset);
    if (!upload.ok()) return upload.status();
    int64_t begin = 0;
    for (const auto& [name, text] : documents) {
      if (begin >= offset) {
        if (absl::Status status = upload->StartDocument(name); !status.ok()) return status;
      }
      const int64_t skip = std::clamp<int64_t>(offset - begin, 0, text.size());
      begin += static_cast<int64_t>(text.size());
      if (absl::Status status = upload->Append(text.substr(skip)); !status.ok()) return status;
    }
    if (!end) return v1::Corpus();
    return upload->Finish(*store_, absl::FromUnixSeconds(1'700'000'000));
  }
};

TEST_F(DocumentsTest, AreCountedEachForItself) {
  header_.clear_upload_id();
  const auto corpus = Send({{"Alice", "ağaç"}, {"Bob", "bb "}});
  ASSERT_TRUE(corpus.ok()) << corpus.status();
  EXPECT_EQ(*blobs_->Read(corpus->sha256()), "ağaçbb ");
  EXPECT_EQ(corpus->document_count(), 2);
  EXPECT_EQ(corpus->documents(0).name(), "Alice");
  EXPECT_EQ(corpus->documents(0).size_bytes(), 6);
  EXPECT_EQ(corpus->documents(0).character_count(), 4);
  EXPECT_EQ(corpus->documents(0).vocabulary_size(), 4);
  EXPECT_EQ(corpus->documents(1).size_bytes(), 3);
  EXPECT_EQ(corpus->documents(1).vocabulary_size(), 3);
  EXPECT_EQ(store_->GetCorpus("alice")->documents_size(), 2);
}

TEST_F(DocumentsTest, AreNormalizedEachForItself) {
  header_.clear_upload_id();
  header_.set_normalization(v1::NORMALIZATION_NFC);
  const auto corpus = Send({{"one", "e"}, {"two", "\u0301x"}});
  ASSERT_TRUE(corpus.ok()) << corpus.status();
  EXPECT_EQ(*blobs_->Read(corpus->sha256()), "e\u0301x");
  EXPECT_EQ(corpus->documents(0).size_bytes(), 1);
}

TEST_F(DocumentsTest, BrokenAtAnyByteTheyAreWhatOneCallWouldStore) {
  const std::vector<Document> documents = {{"one", "Ağaç. "}, {"two", "語"}, {"three", "c d\n"}};
  int64_t size = 0;
  for (const Document& one : documents) size += static_cast<int64_t>(one.text.size());
  for (const v1::Normalization each : {v1::NORMALIZATION_RAW, v1::NORMALIZATION_NFC_LOWER_CASE}) {
    header_.set_normalization(each);
    const auto expected = Send(documents);
    ASSERT_TRUE(expected.ok()) << expected.status();
    for (int64_t cut = 0; cut <= size; ++cut) {
      ASSERT_TRUE(store_->DeleteCorpus("alice").ok());
      ASSERT_TRUE(Send(documents, 0, /*end=*/false).ok());
      const auto corpus = Send(documents, cut);
      ASSERT_TRUE(corpus.ok()) << corpus.status();
      EXPECT_EQ(corpus->SerializeAsString(), expected->SerializeAsString()) << cut;
    }
    ASSERT_TRUE(store_->DeleteCorpus("alice").ok());
  }
}

TEST_F(DocumentsTest, AtFaultTheyAreRefusedByName) {
  header_.clear_upload_id();
  EXPECT_EQ(ErrorField(Send({{"", "x"}}).status()), "document.name");
  EXPECT_EQ(ErrorField(Send({{"a\nb", "x"}}).status()), "document.name");
  EXPECT_EQ(ErrorField(Send({{std::string(201, 'a'), "x"}}).status()), "document.name");
  EXPECT_EQ(ErrorField(Send({{"a", "x"}, {"a", "y"}}).status()), "document.name");
  for (const absl::Status& status :
       {Send({{"a", "x"}, {"none", ""}}).status(), Send({{"none", ""}, {"a", "x"}}).status()}) {
    EXPECT_EQ(ErrorReason(status), "EMPTY_TEXT");
    EXPECT_THAT(std::string(status.message()), HasSubstr("none"));
  }
  const absl::Status cut = Send({{"a", "x"}, {"b", "ok \xe8\xaa"}, {"c", "x"}}).status();
  EXPECT_EQ(ErrorReason(cut), "NOT_UTF8");
  EXPECT_THAT(std::string(cut.message()), HasSubstr("in the document \"b\""));
  absl::StatusOr<CorpusUpload> upload = Begin(0);
  ASSERT_TRUE(upload->Append("nameless").ok());
  EXPECT_EQ(ErrorField(upload->StartDocument("a")), "document");
  std::vector<Document> many;
  for (int i = 0; i < 1001; ++i) many.push_back({std::to_string(i), "x"});
  EXPECT_EQ(ErrorField(Send(many).status()), "document");
}

TEST_F(DocumentsTest, TheSameTextOfOtherDocumentsIsAnotherCorpus) {
  header_.clear_upload_id();
  ASSERT_TRUE(Send({{"a", "x"}, {"b", "yz"}}).ok());
  EXPECT_TRUE(Send({{"a", "x"}, {"b", "yz"}}).ok());
  EXPECT_EQ(ErrorReason(Send({{"a", "xy"}, {"b", "z"}}).status()), "CORPUS_EXISTS");
}

TEST_F(ResumedCorpusUploadTest, OneThatEndedAnswersTheSameAgain) {
  const auto first = End(0, "text");
  ASSERT_TRUE(first.ok()) << first.status();
  const auto again = End(2, "xt");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
}

TEST_F(ResumedCorpusUploadTest, WhatIsRefusedForGoodIsGone) {
  ASSERT_TRUE(Break(0, "good ").ok());
  EXPECT_EQ(ErrorReason(Break(5, "\xff")), "NOT_UTF8");
  EXPECT_EQ(Committed(), -1);
  header_.set_sha256(Sha256Hex("another"));
  EXPECT_EQ(ErrorReason(End(0, "text").status()), "DIGEST_MISMATCH");
  EXPECT_EQ(Committed(), -1);
  header_.clear_sha256();
  ASSERT_TRUE(Upload(Header(), "taken").ok());
  EXPECT_EQ(ErrorReason(End(0, "text").status()), "CORPUS_EXISTS");
  EXPECT_EQ(Committed(), -1);
  EXPECT_TRUE(NamesIn(directory_->uploads()).empty());
}

TEST_F(ResumedCorpusUploadTest, WhatHasNoRoomIsRefusedAsItArrivesAndIsGone) {
  quota_.max_bytes = 6 << 20;
  const auto upload = [&](const std::string& id) {
    header_.set_upload_id(id);
    auto begun = CorpusUpload::Begin(header_, *blobs_, 5 << 20, *uploads_, quota_);
    absl::Status status = begun.status();
    for (int i = 0; i < 5 && status.ok(); ++i) {
      status = begun->Append(std::string(kMaxChunkBytes, 'a'));
    }
    return status;
  };
  ASSERT_TRUE(upload("u").ok());
  EXPECT_EQ(ErrorReason(upload("v")), "CALLER_BYTES_FULL");
  EXPECT_TRUE(uploads_->Describe("ada", "u").ok());
  EXPECT_TRUE(absl::IsNotFound(uploads_->Describe("ada", "v").status()));
}

TEST_F(ResumedCorpusUploadTest, AChunkOrAnOffsetAtFaultCostsNothing) {
  ASSERT_TRUE(Break(0, "text").ok());
  EXPECT_EQ(ErrorField(Break(4, std::string(kMaxChunkBytes + 1, 'a'))), "chunk");
  EXPECT_EQ(ErrorReason(Break(5, "more")), "UPLOAD_OFFSET");
  EXPECT_EQ(Committed(), 4);
  header_.clear_upload_id();
  EXPECT_EQ(ErrorField(Break(4, "more")), "header.offset");
}

TEST_F(ResumedCorpusUploadTest, WithoutAnIdNothingIsKept) {
  header_.clear_upload_id();
  ASSERT_TRUE(Break(0, "text").ok());
  EXPECT_TRUE(NamesIn(directory_->uploads()).empty());
  EXPECT_TRUE(End(0, "text").ok());
}

TEST_F(ResumedCorpusUploadTest, CountsTheBytesAsSentUntilItIsACorpus) {
  header_.set_normalization(v1::NORMALIZATION_D2L_LETTERS);
  absl::StatusOr<CorpusUpload> first = Begin(0);
  ASSERT_TRUE(first->Append("1, 2, a").ok());
  EXPECT_EQ(first->size_bytes(), 7);
  EXPECT_EQ(first->bytes_before(), 0);
  absl::StatusOr<CorpusUpload> second = Begin(7);
  EXPECT_EQ(second->size_bytes(), 7);
  EXPECT_EQ(second->bytes_before(), 7);
  second->Forget();
  EXPECT_EQ(Committed(), -1);
}

}  // namespace
}  // namespace derin::server
