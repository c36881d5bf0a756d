#include "tests/client/cli/command_test.h"

namespace derin::cli {
namespace {

using ::testing::HasSubstr;

using JobsCommand = CommandTest;

TEST_F(JobsCommand, ListShowsWhereEachJobStands) {
  answers().list_training_jobs = [](const auto&, v1::ListTrainingJobsResponse& response) {
    v1::TrainingJob& running = *response.add_training_jobs();
    running.set_name("trainingJobs/second");
    running.set_state(v1::TrainingJob::STATE_RUNNING);
    running.mutable_spec()->set_model("models/tm");
    running.mutable_spec()->set_corpus("corpora/book");
    running.mutable_progress()->set_epoch(12);
    running.mutable_progress()->set_epochs(50);
    running.mutable_progress()->set_training_perplexity(5.31);
    running.mutable_progress()->set_fraction_done(0.239);
    running.mutable_create_time()->set_seconds(60);
    v1::TrainingJob& queued = *response.add_training_jobs();
    queued.set_name("trainingJobs/first");
    queued.set_state(v1::TrainingJob::STATE_QUEUED);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"jobs", "list"}).out,
            "JOB     STATE    MODEL  CORPUS  EPOCH  PERPLEXITY  DONE  CREATED\n"
            "second  running  tm     book    12/50        5.31  23 %  1970-01-01 00:01:00\n"
            "first   queued                      -           -     -  -\n");
}

TEST_F(JobsCommand, ShowPrintsTheJob) {
  answers().get_training_job = [](const auto& request, v1::TrainingJob& job) {
    job.set_name(request.name());
    job.set_state(v1::TrainingJob::STATE_FAILED);
    job.set_reason("DIVERGED");
    return grpc::Status::OK;
  };
  EXPECT_THAT(Run({"jobs", "show", "a"}).out, HasSubstr("failed, DIVERGED\n"));
  EXPECT_THAT(Run({"jobs", "show", "a", "--json"}).out, HasSubstr("\"reason\": \"DIVERGED\""));
}

TEST_F(JobsCommand, CancelSaysWhatTheJobIsNow) {
  answers().cancel_training_job = [](const auto& request, v1::TrainingJob& job) {
    job.set_name(request.name());
    job.set_state(v1::TrainingJob::STATE_CANCELLING);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"jobs", "cancel", "a"}).out, "trainingJobs/a is cancelling\n");
}

TEST_F(JobsCommand, ProposesTheNearestJob) {
  answers().cancel_training_job = [](const auto&, auto&) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such job");
  };
  answers().list_training_jobs = [](const auto&, v1::ListTrainingJobsResponse& response) {
    response.add_training_jobs()->set_name("trainingJobs/first");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"jobs", "cancel", "frist"}).err, "derin: no such job, did you mean 'first'?\n");
}

}  // namespace
}  // namespace derin::cli
