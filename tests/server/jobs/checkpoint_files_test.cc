#include "server/jobs/checkpoint_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/status/error.h"
#include "tests/server/jobs/training_ground.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;

struct CheckpointFilesTest : TrainingGround {};

TEST_F(CheckpointFilesTest, GiveBackWhatWasWritten) {
  const StackConfig config{.layers = 1, .hidden = 2, .vocabulary = 257};
  const ModelFile model{config, Tokenizer::Bytes(), Normalization::kRaw,
                        InitialParameters(config, 1)};
  TrainerStateFile state{.engine = "cpu/f32/1", .snapshot = {.moment1 = {1, 2}, .step = 7}};
  const auto model_blob = blobs->Write(*EncodeModelFile(model));
  const auto state_blob = blobs->Write(*EncodeTrainerStateFile(state));
  ASSERT_TRUE(model_blob.ok() && state_blob.ok());
  const auto read = ReadModelBlob(*blobs, model_blob->sha256);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->parameters.values, model.parameters.values);
  const auto read_state = ReadStateBlob(*blobs, state_blob->sha256);
  ASSERT_TRUE(read_state.ok()) << read_state.status();
  EXPECT_EQ(read_state->engine, "cpu/f32/1");
  EXPECT_EQ(read_state->snapshot.step, 7);
  // One is not the other.
  EXPECT_TRUE(absl::IsDataLoss(ReadModelBlob(*blobs, state_blob->sha256).status()));
  EXPECT_TRUE(absl::IsDataLoss(ReadStateBlob(*blobs, model_blob->sha256).status()));
}

TEST_F(CheckpointFilesTest, WhatIsMissingIsADamagedCheckpoint) {
  const absl::Status status =
      CheckpointError(ReadModelBlob(*blobs, Sha256Hex("nothing")).status(), "the checkpoint x");
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ErrorReason(status), "CHECKPOINT_DAMAGED");
  EXPECT_THAT(std::string(status.message()), HasSubstr("the checkpoint x is damaged"));
  EXPECT_EQ(CheckpointError(absl::InternalError("other"), "x"), absl::InternalError("other"));
}

}  // namespace
}  // namespace derin::server
