#include "server/storage/training_job_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/status/error.h"
#include "server/storage/corpus_table.h"
#include "server/storage/model_table.h"
#include "tests/server/storage/stored_resources.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TrainingJobTableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(corpus_table::Insert(*database_, TestCorpus("text")).ok());
    ASSERT_TRUE(model_table::EnsureExists(*database_, "m", {}).ok());
  }

  v1::TrainingJob Insert(const std::string& id) {
    const auto inserted = training_job_table::Insert(*database_, TestJob(id));
    EXPECT_TRUE(inserted.ok()) << inserted.status();
    return inserted->job;
  }
  JobUpdate Update(JobUpdate update) {
    absl::StatusOr<JobUpdate> updated = training_job_table::Update(*database_, std::move(update));
    EXPECT_TRUE(updated.ok()) << updated.status();
    return *std::move(updated);
  }
  static std::vector<std::string> Names(const std::vector<v1::TrainingJob>& jobs) {
    std::vector<std::string> names;
    for (const v1::TrainingJob& job : jobs) names.push_back(job.name());
    return names;
  }

  TemporaryFolder folder_;
  const std::unique_ptr<Database> database_ = *Database::Open(folder_.path() / "metadata.sqlite");
};

TEST(TrainingJobState, OnlyEndsAreOver) {
  using Job = v1::TrainingJob;
  for (const auto state : {Job::STATE_SUCCEEDED, Job::STATE_FAILED, Job::STATE_CANCELLED}) {
    EXPECT_TRUE(IsOver(state)) << Job::State_Name(state);
  }
  for (const auto state :
       {Job::STATE_UNSPECIFIED, Job::STATE_QUEUED, Job::STATE_RUNNING, Job::STATE_CANCELLING}) {
    EXPECT_FALSE(IsOver(state)) << Job::State_Name(state);
  }
}

TEST_F(TrainingJobTableTest, GivesBackWhatWasStoredWithItsFirstEvent) {
  const v1::TrainingJob inserted = Insert("a");
  EXPECT_EQ(inserted.last_sequence(), 1);
  const auto job = training_job_table::Get(*database_, "a");
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_TRUE(Same(*job, inserted));
  const auto events = training_job_table::ListEvents(*database_, "a", 0);
  ASSERT_TRUE(events.ok()) << events.status();
  ASSERT_EQ(events->size(), 1);
  EXPECT_EQ(events->front().sequence(), 1);
  EXPECT_EQ(events->front().state(), v1::TrainingJob::STATE_QUEUED);
}

TEST_F(TrainingJobTableTest, ATakenIdIsRefused) {
  Insert("a");
  const absl::Status again = training_job_table::Insert(*database_, TestJob("a")).status();
  EXPECT_EQ(again.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ErrorReason(again), "JOB_EXISTS");
  EXPECT_EQ(training_job_table::List(*database_, "", 10)->items.size(), 1);
}

TEST_F(TrainingJobTableTest, EventsAreNumberedOnWithoutGapsForEachJob) {
  v1::TrainingJob a = Insert("a");
  Insert("b");
  JobUpdate update = InState(a, v1::TrainingJob::STATE_RUNNING);
  update.events.push_back(TestEvent(v1::TrainingJob::STATE_CANCELLING));
  update.events[0].set_sequence(77);  // means nothing before it is stored
  update.job.set_last_sequence(99);
  update = Update(update);
  EXPECT_EQ(update.events[0].sequence(), 2);
  EXPECT_EQ(update.events[1].sequence(), 3);
  EXPECT_EQ(update.job.last_sequence(), 3);
  update.events.clear();
  EXPECT_EQ(Update(update).job.last_sequence(), 3);
  EXPECT_EQ(Update(InState(update.job, v1::TrainingJob::STATE_CANCELLED)).job.last_sequence(), 4);

  const auto events = training_job_table::ListEvents(*database_, "a", 2);
  ASSERT_TRUE(events.ok()) << events.status();
  ASSERT_EQ(events->size(), 2);
  EXPECT_EQ((*events)[0].sequence(), 3);
  EXPECT_EQ((*events)[1].sequence(), 4);
  EXPECT_EQ(training_job_table::ListEvents(*database_, "b", 0)->size(), 1);
  EXPECT_THAT(*training_job_table::ListEvents(*database_, "a", 4), IsEmpty());
}

TEST_F(TrainingJobTableTest, AJobThatIsOverNeverChanges) {
  const v1::TrainingJob a = Insert("a");
  const JobUpdate over = Update(InState(a, v1::TrainingJob::STATE_FAILED));
  const absl::Status again =
      training_job_table::Update(*database_, InState(a, v1::TrainingJob::STATE_RUNNING)).status();
  EXPECT_EQ(again.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(again), "JOB_IS_OVER");
  EXPECT_THAT(std::string(again.message()), HasSubstr("STATE_FAILED"));
  EXPECT_TRUE(Same(*training_job_table::Get(*database_, "a"), over.job));
  EXPECT_EQ(training_job_table::ListEvents(*database_, "a", 0)->size(), 2);
}

TEST_F(TrainingJobTableTest, ListsTheNewestFirstInPages) {
  for (const char* id : {"c", "a", "b"}) Insert(id);
  auto page = training_job_table::List(*database_, "", 2);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(Names(page->items), ElementsAre("trainingJobs/b", "trainingJobs/a"));
  // What is added meanwhile moves nothing on the pages that follow.
  Insert("d");
  page = training_job_table::List(*database_, page->next, 2);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(Names(page->items), ElementsAre("trainingJobs/c"));
  EXPECT_EQ(page->next, "");
}

TEST_F(TrainingJobTableTest, AKeyThatNoReplyGaveIsRefused) {
  for (const char* key : {"a", "-1", "0", "1x", "99999999999999999999"}) {
    const absl::Status status = training_job_table::List(*database_, key, 2).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << key;
    EXPECT_EQ(ErrorField(status), "page_token");
  }
}

TEST_F(TrainingJobTableTest, ListsTheUnfinishedInTheOrderOfTheQueue) {
  for (const char* id : {"c", "a", "b", "d"}) Insert(id);
  Update(InState(*training_job_table::Get(*database_, "c"), v1::TrainingJob::STATE_RUNNING));
  Update(InState(*training_job_table::Get(*database_, "b"), v1::TrainingJob::STATE_CANCELLED));
  const auto unfinished = training_job_table::ListUnfinished(*database_);
  ASSERT_TRUE(unfinished.ok()) << unfinished.status();
  EXPECT_THAT(Names(*unfinished),
              ElementsAre("trainingJobs/c", "trainingJobs/a", "trainingJobs/d"));
}

TEST_F(TrainingJobTableTest, FindsTheJobOfAnEarlierRequest) {
  NewTrainingJob job = TestJob("a");
  job.request_id = "r";
  job.request_sha256 = Sha256Hex("the request");
  ASSERT_TRUE(training_job_table::Insert(*database_, job).ok());
  Insert("b");  // without a request id

  const auto same = training_job_table::FindRequest(*database_, "r", Sha256Hex("the request"));
  ASSERT_TRUE(same.ok() && same->has_value()) << same.status();
  EXPECT_EQ((*same)->name(), "trainingJobs/a");
  for (const char* unseen : {"", "s"}) {
    EXPECT_EQ(*training_job_table::FindRequest(*database_, unseen, ""), std::nullopt);
  }
}

TEST_F(TrainingJobTableTest, TheSameRequestIdWithOtherContentsIsRefused) {
  NewTrainingJob job = TestJob("a");
  job.request_id = "r";
  job.request_sha256 = Sha256Hex("the request");
  ASSERT_TRUE(training_job_table::Insert(*database_, job).ok());
  const auto other = training_job_table::FindRequest(*database_, "r", Sha256Hex("another"));
  EXPECT_EQ(other.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorField(other.status()), "request_id");
  EXPECT_THAT(std::string(other.status().message()),
              AllOf(HasSubstr("\"r\""), HasSubstr("trainingJobs/a")));
}

TEST_F(TrainingJobTableTest, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(ErrorReason(training_job_table::Get(*database_, "a").status()), "JOB_NOT_FOUND");
  EXPECT_EQ(ErrorReason(training_job_table::ListEvents(*database_, "a", 0).status()),
            "JOB_NOT_FOUND");
  EXPECT_EQ(ErrorReason(training_job_table::Update(*database_, TestJob("a").update).status()),
            "JOB_NOT_FOUND");
}

TEST_F(TrainingJobTableTest, ACorpusIsUsedUntilItsLastJobIsOver) {
  const v1::TrainingJob a = Insert("a");
  const v1::TrainingJob b = Insert("b");
  EXPECT_EQ(*training_job_table::FindUserOfCorpus(*database_, "text"), "a");
  EXPECT_EQ(*training_job_table::FindUserOfCorpus(*database_, "other"), std::nullopt);
  Update(InState(a, v1::TrainingJob::STATE_CANCELLED));
  EXPECT_EQ(*training_job_table::FindUserOfCorpus(*database_, "text"), "b");
  Update(InState(b, v1::TrainingJob::STATE_CANCELLING));
  EXPECT_EQ(*training_job_table::FindUserOfCorpus(*database_, "text"), "b");
  Update(InState(b, v1::TrainingJob::STATE_SUCCEEDED));
  EXPECT_EQ(*training_job_table::FindUserOfCorpus(*database_, "text"), std::nullopt);
}

TEST_F(TrainingJobTableTest, SoIsEachOfSeveralCorpora) {
  NewTrainingJob job = TestJob("a");
  job.update.job.mutable_spec()->add_more_corpora()->set_corpus("corpora/further");
  ASSERT_TRUE(training_job_table::Insert(*database_, job).ok());
  EXPECT_EQ(*training_job_table::FindUserOfCorpus(*database_, "text"), "a");
  EXPECT_EQ(*training_job_table::FindUserOfCorpus(*database_, "further"), "a");
  EXPECT_EQ(*training_job_table::FindUserOfCorpus(*database_, "other"), std::nullopt);
  Update(InState(job.update.job, v1::TrainingJob::STATE_SUCCEEDED));
  EXPECT_EQ(*training_job_table::FindUserOfCorpus(*database_, "further"), std::nullopt);
}

}  // namespace
}  // namespace derin::server
