#include "client/cli/job_watch.h"

#include <nlohmann/json.hpp>

#include "tests/client/cli/command_test.h"

namespace derin::cli {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using Writer = grpc::ServerWriter<v1::WatchTrainingJobResponse>;

class JobWatch : public CommandTest {
 protected:
  JobWatch() {
    answers().watch_training_job = [](grpc::ServerContext&, const auto&, Writer& writer) {
      v1::WatchTrainingJobResponse response;
      response.mutable_snapshot()->set_state(v1::TrainingJob::STATE_RUNNING);
      writer.Write(response);
      response.mutable_event()->set_sequence(1);
      response.mutable_event()->set_state(v1::TrainingJob::STATE_RUNNING);
      response.mutable_event()->set_message("attempt 1 began");
      response.mutable_event()->mutable_time()->set_seconds(61);
      writer.Write(response);
      response.mutable_progress()->set_epoch(50);
      response.mutable_progress()->set_epochs(50);
      response.mutable_progress()->set_fraction_done(1);
      writer.Write(response);
      return grpc::Status::OK;
    };
    job_.set_name("trainingJobs/x");
    job_.set_state(v1::TrainingJob::STATE_SUCCEEDED);
    job_.mutable_spec()->set_model("models/tm");
    job_.mutable_start_time()->set_seconds(100);
    job_.mutable_end_time()->set_seconds(192);
    job_.mutable_progress()->set_epoch_training_perplexity(1.05);
    job_.mutable_progress()->set_validation_perplexity(5.6);
    job_.mutable_progress()->set_best_perplexity(5.31);
    job_.set_model_version("models/tm/versions/1");
    answers().get_training_job = [this](const auto&, v1::TrainingJob& job) {
      job = job_;
      return grpc::Status::OK;
    };
  }

  v1::TrainingJob job_;
};

TEST_F(JobWatch, EndsWithTheResultAndWhatToTypeNext) {
  const Result result = Run({"jobs", "watch", "x"});
  EXPECT_EQ(result.status, kSuccess);
  EXPECT_EQ(result.out,
            "trainingJobs/x succeeded in 1m32s: perplexity 1.05 (training), 5.60 (validation, best "
            "5.31); "
            "published models/tm/versions/1\n");
  EXPECT_THAT(result.err, HasSubstr("00:01:01  running: attempt 1 began\n"));
  EXPECT_THAT(result.err, HasSubstr("epoch 50/50"));
  EXPECT_THAT(result.err, EndsWith("next: derin generate --model tm --prompt \"...\"\n"));
}

TEST_F(JobWatch, ShowsEachDrawnTextOnceAndOnOneLine) {
  answers().watch_training_job = [](grpc::ServerContext&, const auto&, Writer& writer) {
    v1::WatchTrainingJobResponse response;
    response.mutable_snapshot()->set_state(v1::TrainingJob::STATE_RUNNING);
    writer.Write(response);
    v1::DrawnSample& sample = *response.mutable_progress()->mutable_sample();
    sample.set_step(1200);
    sample.set_text("the\nsea\x1b[2J");
    writer.Write(response);
    writer.Write(response);
    sample.set_step(1300);
    sample.set_text("later");
    writer.Write(response);
    return grpc::Status::OK;
  };
  const std::string err = Run({"jobs", "watch", "x"}).err;
  EXPECT_THAT(err, HasSubstr("step 1,200: the↵sea?[2J\n"));
  EXPECT_THAT(err, HasSubstr("step 1,300: later\n"));
  EXPECT_EQ(err.find("step 1,200: "), err.rfind("step 1,200: "));
}

TEST_F(JobWatch, DrawsALiveLineOnATerminal) {
  terminal_ = true;
  EXPECT_THAT(Run({"jobs", "watch", "x"}).err, HasSubstr("100 %\x1b[K\n"));
}

TEST_F(JobWatch, ShowsWhereARunningJobStandsBelowTheEventsBeforeIt) {
  answers().watch_training_job = [](grpc::ServerContext&, const auto&, Writer& writer) {
    v1::WatchTrainingJobResponse response;
    response.mutable_snapshot()->set_state(v1::TrainingJob::STATE_RUNNING);
    response.mutable_snapshot()->set_last_sequence(2);
    response.mutable_snapshot()->mutable_progress()->set_epoch(7);
    writer.Write(response);
    response.mutable_event()->set_sequence(1);
    response.mutable_event()->set_state(v1::TrainingJob::STATE_QUEUED);
    writer.Write(response);
    response.mutable_event()->set_sequence(2);
    response.mutable_event()->set_state(v1::TrainingJob::STATE_RUNNING);
    writer.Write(response);
    return grpc::Status::OK;
  };
  EXPECT_THAT(Run({"jobs", "watch", "x"}).err, StartsWith("queued\nrunning\nepoch 7/"));
}

TEST_F(JobWatch, WritesOneJsonDocumentALine) {
  const Result result = Run({"jobs", "watch", "x", "--json"});
  EXPECT_EQ(result.err, "");
  std::istringstream lines(result.out);
  std::vector<std::string> kinds;
  for (std::string line; std::getline(lines, line);) {
    kinds.push_back(nlohmann::json::parse(line).begin().key());
  }
  EXPECT_EQ(kinds, (std::vector<std::string>{"snapshot", "event", "progress", "result"}));
}

TEST_F(JobWatch, IsRefusedWhenTheJobDidNotSucceed) {
  job_.set_state(v1::TrainingJob::STATE_FAILED);
  job_.set_message("the loss is not finite");
  const Result result = Run({"jobs", "watch", "x"});
  EXPECT_EQ(result.status, kRefused);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err,
              EndsWith("derin: trainingJobs/x failed after 1m32s: the loss is not finite\n"));
}

TEST_F(JobWatch, SaysAfterAnInterruptThatTheJobGoesOn) {
  answers().watch_training_job = [this](grpc::ServerContext&, const auto&, Writer& writer) {
    v1::WatchTrainingJobResponse response;
    response.mutable_progress()->set_step(1);
    writer.Write(response);
    interrupt_.Cancel();
    while (writer.Write(response)) {
    }
    return grpc::Status::CANCELLED;
  };
  const Result result = Run({"jobs", "watch", "x"});
  EXPECT_EQ(result.status, kInterrupted);
  EXPECT_THAT(result.err, HasSubstr("trainingJobs/x goes on"));
  EXPECT_THAT(result.err, HasSubstr("derin jobs watch x"));
  EXPECT_THAT(result.err, HasSubstr("derin jobs cancel x"));
}

TEST_F(JobWatch, SaysThatTheJobGoesOnWhenTheServerIsGone) {
  answers().watch_training_job = [](grpc::ServerContext&, const auto&, Writer&) {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "refused");
  };
  const Result result = Run({"jobs", "watch", "x"});
  EXPECT_EQ(result.status, kRefused);
  EXPECT_THAT(result.err, EndsWith("trainingJobs/x goes on when the server is back; watch it:  "
                                   "derin jobs watch x\n"));
}

TEST(ResultLine, LeavesOutWhatIsNotKnown) {
  client::TrainingJob job;
  job.name = "trainingJobs/x";
  job.model_version = "models/m/versions/1";
  EXPECT_EQ(ResultLine(job), "trainingJobs/x succeeded; published models/m/versions/1");
}

}  // namespace
}  // namespace derin::cli
