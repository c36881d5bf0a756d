#include <algorithm>

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
    running.mutable_spec()->add_more_corpora()->set_corpus("corpora/b");
    running.mutable_progress()->set_epoch(12);
    running.mutable_progress()->set_epochs(50);
    running.mutable_progress()->set_training_perplexity(5.31);
    running.mutable_progress()->set_fraction_done(0.239);
    running.mutable_create_time()->set_seconds(60);
    running.set_share(3);
    v1::TrainingJob& queued = *response.add_training_jobs();
    queued.set_name("trainingJobs/first");
    queued.set_state(v1::TrainingJob::STATE_QUEUED);
    queued.set_waiting_reason("1 job runs.");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"jobs", "list"}).out,
            "JOB     STATE    MODEL  CORPUS   EPOCH  PERPLEXITY  DONE  SHARE  CREATED\n"
            "second  running  tm     book, b  12/50        5.31  23 %      3  1970-01-01 00:01:00\n"
            "first   queued                       -           -     -      1  -\n");
  EXPECT_EQ(Run({"jobs", "list"}).err, "first waits: 1 job runs.\n");
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

TEST_F(JobsCommand, PauseAndResumeSayWhatTheJobIsNow) {
  answers().pause_training_job = [](const auto& request, v1::TrainingJob& job) {
    job.set_name(request.name());
    job.set_state(v1::TrainingJob::STATE_PAUSING);
    return grpc::Status::OK;
  };
  answers().resume_training_job = [](const auto& request, v1::TrainingJob& job) {
    job.set_name(request.name());
    job.set_state(v1::TrainingJob::STATE_QUEUED);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"jobs", "pause", "a"}).out, "trainingJobs/a is pausing\n");
  EXPECT_EQ(Run({"jobs", "resume", "trainingJobs/a"}).out, "trainingJobs/a is queued\n");
  EXPECT_THAT(Run({"jobs", "resume", "a", "--json"}).out, HasSubstr("\"state\": \"queued\""));
}

TEST_F(JobsCommand, YieldSaysWhatTheJobIsNow) {
  answers().yield_training_job = [](const auto& request, v1::TrainingJob& job) {
    job.set_name(request.name());
    job.set_state(v1::TrainingJob::STATE_RUNNING);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"jobs", "yield", "a"}).out, "trainingJobs/a is running\n");
}

TEST_F(JobsCommand, UpdateSaysWhatTheJobHasNow) {
  v1::UpdateTrainingJobRequest asked;
  answers().update_training_job = [&asked](const auto& request, v1::TrainingJob& job) {
    asked = request;
    job = request.training_job();
    return grpc::Status::OK;
  };
  EXPECT_EQ(
      Run({"jobs", "update", "a", "--priority", "5", "--share", "7", "--label", "team=verse"}).out,
      "trainingJobs/a has priority 5, share 7 and labels team=verse\n");
  EXPECT_EQ(Run({"jobs", "update", "a", "--remove-label", "team"}).out,
            "trainingJobs/a has priority 0, share 1 and labels none\n");
  EXPECT_EQ(asked.update_mask().paths(0), "labels.team");
  EXPECT_EQ(Run({"jobs", "update", "a"}).status, kBadUsage);
}

TEST_F(JobsCommand, ListAsksForLabels) {
  answers().list_training_jobs = [](const v1::ListTrainingJobsRequest& request, auto& response) {
    if (request.labels().contains("none")) return grpc::Status::OK;
    response.add_training_jobs()->set_name("trainingJobs/" + request.labels().at("team"));
    return grpc::Status::OK;
  };
  EXPECT_THAT(Run({"jobs", "list", "--label", "team=verse"}).out, HasSubstr("verse"));
  EXPECT_EQ(Run({"jobs", "list", "--label", "none="}).err, "no job has these labels\n");
}

TEST_F(JobsCommand, CheckpointsListsWhatAJobCanGoOnFrom) {
  answers().list_training_checkpoints = [](const v1::ListTrainingCheckpointsRequest& request,
                                           v1::ListTrainingCheckpointsResponse& response) {
    if (request.training_job() != "trainingJobs/a") return grpc::Status::OK;
    v1::TrainingCheckpoint& one = *response.add_training_checkpoints();
    one.set_name("trainingJobs/a/checkpoints/1200");
    one.set_step(1200);
    one.set_attempt(1);
    one.set_size_bytes(5000);
    one.set_engine_id("cpu/f32/1");
    one.set_training_perplexity(3.25);
    one.mutable_create_time()->set_seconds(60);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"jobs", "checkpoints", "a"}).out,
            " STEP  PERPLEXITY  VALIDATION  BYTES  ENGINE     WRITTEN\n"
            "1,200        3.25           -  5,000  cpu/f32/1  1970-01-01 00:01:00\n");
  EXPECT_THAT(Run({"jobs", "checkpoints", "a", "--json"}).out, HasSubstr("\"step\": 1200"));
  const Result none = Run({"jobs", "checkpoints", "b"});
  EXPECT_EQ(none.out, "");
  EXPECT_EQ(none.err, "no checkpoints yet\n");
}

TEST_F(JobsCommand, DeleteSaysWhatIsGone) {
  std::vector<std::string> deleted;
  const auto take = [&deleted](const auto& request, google::protobuf::Empty&) {
    deleted.push_back(request.name());
    return grpc::Status::OK;
  };
  answers().delete_training_job = take;
  answers().delete_training_checkpoint = take;
  EXPECT_EQ(Run({"jobs", "delete", "a"}).out, "deleted trainingJobs/a\n");
  EXPECT_EQ(Run({"jobs", "delete-checkpoint", "a", "1200"}).out,
            "deleted trainingJobs/a/checkpoints/1200\n");
  EXPECT_EQ(Run({"jobs", "delete", "b", "--json"}).out,
            "{\n  \"deleted\": \"trainingJobs/b\"\n}\n");
  EXPECT_THAT(deleted, ::testing::ElementsAre("trainingJobs/a", "trainingJobs/a/checkpoints/1200",
                                              "trainingJobs/b"));
  EXPECT_EQ(Run({"jobs", "delete-checkpoint", "a"}).status, 2);
}

TEST_F(JobsCommand, CurveShowsATableAPlotOrAllPoints) {
  answers().list_training_metrics = [](const v1::ListTrainingMetricsRequest& request,
                                       v1::ListTrainingMetricsResponse& response) {
    if (request.training_job() != "trainingJobs/a") return grpc::Status::OK;
    for (int step = 1; step <= 50; ++step) {
      v1::TrainingMetrics& point = *response.add_training_metrics();
      point.set_step(step);
      point.set_training_perplexity(50.0 / step);
    }
    return grpc::Status::OK;
  };
  const auto lines = [](const std::string& text) {
    return std::count(text.begin(), text.end(), '\n');
  };
  EXPECT_EQ(lines(Run({"jobs", "curve", "a"}).out), 21);
  EXPECT_EQ(lines(Run({"jobs", "curve", "a", "--rows", "5"}).out), 6);
  EXPECT_THAT(Run({"jobs", "curve", "a", "--plot"}).out, HasSubstr("perplexity: * training"));
  EXPECT_THAT(Run({"jobs", "curve", "a", "--json"}).out, HasSubstr("\"step\": 33"));
  EXPECT_EQ(Run({"jobs", "curve", "a", "--rows", "0"}).status, 2);
  EXPECT_EQ(Run({"jobs", "curve", "b"}).err, "nothing was trained yet\n");
}

TEST_F(JobsCommand, PublishTakesTheNewestCheckpointUnlessTold) {
  answers().list_training_checkpoints = [](const v1::ListTrainingCheckpointsRequest& request,
                                           v1::ListTrainingCheckpointsResponse& response) {
    if (request.training_job() != "trainingJobs/a") return grpc::Status::OK;
    for (const int step : {40, 20}) {
      response.add_training_checkpoints()->set_name("trainingJobs/a/checkpoints/" +
                                                    std::to_string(step));
    }
    return grpc::Status::OK;
  };
  answers().publish_training_checkpoint = [](const v1::PublishTrainingCheckpointRequest& request,
                                             v1::ModelVersion& version) {
    version.set_name("models/m/versions/" + request.name().substr(request.name().rfind('/') + 1));
    version.set_training_checkpoint(request.name());
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"jobs", "publish", "a"}).out, "published models/m/versions/40\n");
  EXPECT_EQ(Run({"jobs", "publish", "a", "--step", "20"}).out, "published models/m/versions/20\n");
  EXPECT_THAT(Run({"jobs", "publish", "a", "--json"}).out,
              HasSubstr("\"training_checkpoint\": \"trainingJobs/a/checkpoints/40\""));
  const Result none = Run({"jobs", "publish", "b"});
  EXPECT_EQ(none.status, 1);
  EXPECT_THAT(none.err, HasSubstr("trainingJobs/b has no checkpoint yet"));
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
