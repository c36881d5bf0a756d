#include "server/rpc/model_import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "model/checkpoint/model_file.h"
#include "server/rpc/upload_check.h"
#include "server/status/error.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;

ModelFile TinyModel(Precision precision = Precision::kF32) {
  Tokenizer tokenizer = Tokenizer::Characters(Vocabulary::FromText("abc"));
  const StackConfig config{
      .layers = 1, .hidden = 4, .vocabulary = tokenizer.vocabulary_size(), .precision = precision};
  return {.config = config,
          .tokenizer = std::move(tokenizer),
          .normalization = Normalization::kD2lLetters,
          .parameters = InitialParameters(config, /*seed=*/1)};
}

class ModelImportTest : public ::testing::Test {
 protected:
  ModelImportTest() { std::filesystem::create_directories(folder_.path() / "blobs"); }

  static v1::ImportModelHeader Header(const std::string& model = "models/m") {
    v1::ImportModelHeader header;
    header.set_model(model);
    return header;
  }
  absl::StatusOr<v1::ModelVersion> Import(std::string_view bytes,
                                          const v1::ImportModelHeader& header = Header(),
                                          int64_t max_bytes = 1 << 20, size_t piece = 1000) {
    auto import = ModelImport::Begin(header, blobs_, max_bytes);
    if (!import.ok()) return import.status();
    for (size_t i = 0; i < bytes.size(); i += piece) {
      if (absl::Status status = import->Append(bytes.substr(i, piece)); !status.ok()) return status;
    }
    return import->Finish(*store_, absl::FromUnixSeconds(1'700'000'000));
  }
  void ExpectNothingStored() {
    EXPECT_TRUE(store_->ListModels("", 10)->items.empty());
    EXPECT_TRUE(std::filesystem::is_empty(folder_.path() / "blobs"));
  }

  TemporaryFolder folder_;
  BlobStore blobs_{folder_.path() / "blobs"};
  std::unique_ptr<MetadataStore> store_ = *MetadataStore::Open(folder_.path() / "metadata.sqlite");
  const std::string file_ = *EncodeModelFile(TinyModel());
};

TEST_F(ModelImportTest, PublishesTheSameBytesAndSaysWhatTheyAre) {
  v1::ImportModelHeader header = Header();
  header.set_sha256(Sha256Hex(file_));
  const auto version = Import(file_, header);
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(version->name(), "models/m/versions/1");
  EXPECT_EQ(version->create_time().seconds(), 1'700'000'000);
  EXPECT_EQ(version->config().hidden(), 4);
  EXPECT_EQ(version->vocabulary_size(), 4);
  EXPECT_EQ(version->normalization(), v1::NORMALIZATION_D2L_LETTERS);
  EXPECT_EQ(version->parameter_count(), TinyModel().parameters.layout.count());
  EXPECT_EQ(version->size_bytes(), static_cast<int64_t>(file_.size()));
  EXPECT_EQ(version->training_job(), "");
  EXPECT_EQ(version->training_perplexity(), 0);
  EXPECT_EQ(*blobs_.Read(version->sha256()), file_);
  EXPECT_EQ(Import(file_)->name(), "models/m/versions/2");
}

TEST_F(ModelImportTest, RefusesAHeaderNamingTheField) {
  EXPECT_EQ(ErrorField(Import(file_, Header("m")).status()), "header.model");
  EXPECT_EQ(ErrorField(Import(file_, Header("models/m/versions/1")).status()), "header.model");
  v1::ImportModelHeader header = Header();
  header.set_sha256("abc");
  EXPECT_EQ(ErrorField(Import(file_, header).status()), "header.sha256");
  ExpectNothingStored();
}

TEST_F(ModelImportTest, RefusesWhatIsTooLargeOrNotWhatWasAnnounced) {
  const absl::Status large = Import(file_, Header(), file_.size() - 1).status();
  EXPECT_EQ(large.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(large), "MODEL_TOO_LARGE");
  EXPECT_TRUE(absl::EndsWith(large.message(), "--max-model-bytes")) << large;
  EXPECT_TRUE(Import(file_, Header("models/n"), file_.size()).ok());
  ASSERT_TRUE(store_->DeleteModel("n", {"models/n/versions/1"}, false).ok());
  ASSERT_TRUE(blobs_.Sweep([] { return BlobStore::DigestSet(); }).ok());

  const std::string chunk(kMaxChunkBytes + 1, 'x');
  EXPECT_EQ(ErrorField(Import(chunk, Header(), 1 << 30, chunk.size()).status()), "chunk");
  v1::ImportModelHeader header = Header();
  header.set_sha256(Sha256Hex("something else"));
  EXPECT_EQ(ErrorReason(Import(file_, header).status()), "DIGEST_MISMATCH");
  ExpectNothingStored();
}

TEST_F(ModelImportTest, RefusesWhatIsNoWholeModel) {
  for (size_t size = 0; size < file_.size(); size += 37) {
    const absl::Status cut = Import(std::string_view(file_).substr(0, size)).status();
    EXPECT_EQ(cut.code(), absl::StatusCode::kInvalidArgument) << size;
    EXPECT_EQ(ErrorReason(cut), "MODEL_FILE_INVALID") << size;
  }
  EXPECT_EQ(ErrorReason(Import(file_ + "x").status()), "MODEL_FILE_INVALID");
  EXPECT_EQ(ErrorReason(Import(*EncodeModelFile(TinyModel(Precision::kF64))).status()),
            "MODEL_FILE_INVALID");
  ExpectNothingStored();
}

TEST_F(ModelImportTest, RefusesWeightsThatAreNoNumbers) {
  ModelFile model = TinyModel();
  model.parameters.values.back() = std::numeric_limits<float>::quiet_NaN();
  const absl::Status refused = Import(*EncodeModelFile(model)).status();
  EXPECT_EQ(ErrorReason(refused), "MODEL_FILE_INVALID");
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("head.bias has a value that is not finite"));
  ExpectNothingStored();
}

TEST_F(ModelImportTest, OneThatIsNotFinishedLeavesNothing) {
  {
    auto import = ModelImport::Begin(Header(), blobs_, 1 << 20);
    ASSERT_TRUE(import.ok()) << import.status();
    ASSERT_TRUE(import->Append(file_).ok());
  }
  ExpectNothingStored();
}

}  // namespace
}  // namespace derin::server
