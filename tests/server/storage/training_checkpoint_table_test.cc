#include "server/storage/training_checkpoint_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "server/status/error.h"
#include "server/storage/corpus_table.h"
#include "server/storage/model_table.h"
#include "tests/server/storage/stored_resources.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class TrainingCheckpointTableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(corpus_table::Insert(*database_, TestCorpus("text")).ok());
    ASSERT_TRUE(model_table::EnsureExists(*database_, "m", {}).ok());
    for (const char* id : {"a", "b"}) {
      ASSERT_TRUE(training_job_table::Insert(*database_, TestJob(id)).ok());
    }
  }

  static StoredCheckpoint At(int64_t step) {
    StoredCheckpoint stored{.model_sha256 = "m" + std::to_string(step),
                            .state_sha256 = "s" + std::to_string(step)};
    stored.checkpoint.set_step(step);
    stored.checkpoint.set_engine_id("cpu/f32/1");
    return stored;
  }
  void Insert(const std::string& job, int64_t step, int keep, int keep_best = 0,
              std::optional<double> perplexity = std::nullopt) {
    StoredCheckpoint stored = At(step);
    if (perplexity.has_value()) stored.checkpoint.set_measured_perplexity(*perplexity);
    const absl::Status status = training_checkpoint_table::Insert(
        *database_, job, stored, {.newest = keep, .best = keep_best});
    EXPECT_TRUE(status.ok()) << status;
  }
  std::vector<int64_t> Steps(const std::string& job) {
    std::vector<int64_t> steps;
    const auto checkpoints = training_checkpoint_table::List(*database_, job);
    for (const StoredCheckpoint& one : *checkpoints) {
      steps.push_back(one.checkpoint.step());
    }
    return steps;
  }

  TemporaryFolder folder_;
  const std::unique_ptr<Database> database_ = *Database::Open(folder_.path() / "metadata.sqlite");
};

TEST_F(TrainingCheckpointTableTest, GivesBackWhatWasStored) {
  EXPECT_THAT(Steps("a"), IsEmpty());
  Insert("a", 7, 3);
  const StoredCheckpoint got = training_checkpoint_table::List(*database_, "a")->front();
  EXPECT_TRUE(Same(got.checkpoint, At(7).checkpoint));
  EXPECT_EQ(got.model_sha256, "m7");
  EXPECT_EQ(got.state_sha256, "s7");
}

TEST_F(TrainingCheckpointTableTest, KeepsTheNewestOfEachJob) {
  for (const int64_t step : {0, 10, 20, 30}) Insert("a", step, 2);
  Insert("b", 5, 2);
  EXPECT_THAT(Steps("a"), ElementsAre(30, 20));
  EXPECT_THAT(Steps("b"), ElementsAre(5));
  Insert("a", 40, 1);
  EXPECT_THAT(Steps("a"), ElementsAre(40));
  EXPECT_THAT(Steps("b"), ElementsAre(5));
}

TEST_F(TrainingCheckpointTableTest, KeepsTheBestBesides) {
  Insert("a", 10, 1, 2, 9);
  Insert("a", 20, 1, 2, 7);
  Insert("a", 25, 1, 2);
  Insert("a", 30, 1, 2, 8);
  Insert("a", 40, 1, 2, 7);
  EXPECT_THAT(Steps("a"), ElementsAre(40, 20)) << "the newest is one of them";
  Insert("a", 50, 1, 2, 9);
  EXPECT_THAT(Steps("a"), ElementsAre(50, 40, 20));
  Insert("a", 60, 1, 1);
  EXPECT_THAT(Steps("a"), ElementsAre(60, 20)) << "of two alike the older one";
}

TEST_F(TrainingCheckpointTableTest, OneOfATrainingThatWasCutBackIsTheNewest) {
  for (const int64_t step : {10, 20, 30}) Insert("a", step, 5);
  Insert("a", 15, 5);
  EXPECT_THAT(Steps("a"), ElementsAre(15, 10));
  Insert("a", 15, 5);  // the same once more
  EXPECT_THAT(Steps("a"), ElementsAre(15, 10));
}

TEST_F(TrainingCheckpointTableTest, DeletesOneOrAllButTheNewest) {
  for (const int64_t step : {10, 20, 30}) Insert("a", step, 5);
  Insert("b", 20, 5);
  ASSERT_TRUE(training_checkpoint_table::Delete(*database_, "a", 20).ok());
  EXPECT_THAT(Steps("a"), ElementsAre(30, 10));
  EXPECT_EQ(training_checkpoint_table::Get(*database_, "a", 10)->state_sha256, "s10");
  EXPECT_EQ(ErrorReason(training_checkpoint_table::Get(*database_, "a", 20).status()),
            "CHECKPOINT_NOT_FOUND");
  ASSERT_TRUE(training_checkpoint_table::RemoveOthers(*database_, "a", {.newest = 1}).ok());
  EXPECT_THAT(Steps("a"), ElementsAre(30));
  EXPECT_THAT(Steps("b"), ElementsAre(20));
}

TEST_F(TrainingCheckpointTableTest, AnUnknownJobHasNone) {
  EXPECT_EQ(training_checkpoint_table::List(*database_, "c").status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(training_checkpoint_table::Insert(*database_, "c", At(1), {}).code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace derin::server
