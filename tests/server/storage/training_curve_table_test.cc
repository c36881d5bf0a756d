#include "server/storage/training_curve_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/status/error.h"
#include "server/storage/corpus_table.h"
#include "server/storage/model_table.h"
#include "tests/server/storage/stored_resources.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

v1::ListTrainingMetricsResponse Curve(int points) {
  v1::ListTrainingMetricsResponse curve;
  if (points > 0) curve.set_stride(1);
  for (int step = 1; step <= points; ++step) curve.add_training_metrics()->set_step(step);
  return curve;
}

TEST(TrainingCurveTable, HasTheNewestOfEachJobAndNoneOfADeletedOne) {
  const TemporaryFolder folder;
  const std::unique_ptr<Database> database = *Database::Open(folder.path() / "metadata.sqlite");
  ASSERT_TRUE(corpus_table::Insert(*database, TestCorpus("text")).ok());
  ASSERT_TRUE(model_table::EnsureExists(*database, "m", {}).ok());
  for (const char* id : {"a", "b"}) {
    ASSERT_TRUE(training_job_table::Insert(*database, TestJob(id)).ok());
  }
  EXPECT_TRUE(Same(*training_curve_table::Get(*database, "a"), Curve(0)));
  ASSERT_TRUE(training_curve_table::Put(*database, "a", Curve(3)).ok());
  ASSERT_TRUE(training_curve_table::Put(*database, "a", Curve(2)).ok());
  ASSERT_TRUE(training_curve_table::Put(*database, "b", Curve(7)).ok());
  EXPECT_TRUE(Same(*training_curve_table::Get(*database, "a"), Curve(2)));
  ASSERT_TRUE(training_job_table::Delete(*database, "a").ok());
  ASSERT_TRUE(training_job_table::Insert(*database, TestJob("a")).ok());
  EXPECT_TRUE(Same(*training_curve_table::Get(*database, "a"), Curve(0)));
  EXPECT_TRUE(Same(*training_curve_table::Get(*database, "b"), Curve(7)));
  EXPECT_EQ(ErrorReason(training_curve_table::Get(*database, "c").status()), "JOB_NOT_FOUND");
  EXPECT_EQ(ErrorReason(training_curve_table::Put(*database, "c", {})), "JOB_NOT_FOUND");
}

}  // namespace
}  // namespace derin::server
