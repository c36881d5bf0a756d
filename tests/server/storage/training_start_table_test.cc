#include "server/storage/training_start_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/status/error.h"
#include "server/storage/corpus_table.h"
#include "server/storage/model_table.h"
#include "tests/server/storage/stored_resources.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

TEST(TrainingStartTable, AJobHasItsStartUntilItIsOver) {
  const TemporaryFolder folder;
  const std::unique_ptr<Database> database = *Database::Open(folder.path() / "metadata.sqlite");
  ASSERT_TRUE(corpus_table::Insert(*database, TestCorpus("text")).ok());
  ASSERT_TRUE(model_table::EnsureExists(*database, "m", {}).ok());
  NewTrainingJob state = TestJob("state"), weights = TestJob("weights");
  state.start = JobStart{.model_sha256 = "m1", .state_sha256 = "s1"};
  weights.start = JobStart{.model_sha256 = "m2"};
  ASSERT_TRUE(training_job_table::Insert(*database, state).ok());
  const auto inserted = training_job_table::Insert(*database, weights);
  ASSERT_TRUE(inserted.ok()) << inserted.status();
  ASSERT_TRUE(training_job_table::Insert(*database, TestJob("drawn")).ok());

  const auto got = training_start_table::Get(*database, "state");
  ASSERT_TRUE(got.ok() && got->has_value()) << got.status();
  EXPECT_EQ((*got)->model_sha256, "m1");
  EXPECT_EQ((*got)->state_sha256, "s1");
  EXPECT_EQ((*training_start_table::Get(*database, "weights"))->state_sha256, "");
  EXPECT_FALSE(training_start_table::Get(*database, "drawn")->has_value());
  EXPECT_EQ(ErrorReason(training_start_table::Get(*database, "none").status()), "JOB_NOT_FOUND");

  const auto update = [&](v1::TrainingJob::State to) {
    return training_job_table::Update(*database, InState(inserted->job, to)).status();
  };
  ASSERT_TRUE(update(v1::TrainingJob::STATE_RUNNING).ok());
  EXPECT_TRUE(training_start_table::Get(*database, "weights")->has_value());
  ASSERT_TRUE(update(v1::TrainingJob::STATE_FAILED).ok());
  EXPECT_FALSE(training_start_table::Get(*database, "weights")->has_value());
  ASSERT_TRUE(training_job_table::Delete(*database, "state").ok());
}

}  // namespace
}  // namespace derin::server
