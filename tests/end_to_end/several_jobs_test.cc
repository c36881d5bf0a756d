// A derind that trains several jobs at once.

#include <gmock/gmock.h>
#include <sched.h>
#include <signal.h>

#include <string>
#include <vector>

#include "derind_training.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;

struct SeveralJobsTest : DerindTrainingTest {
  std::vector<std::string> TwoAtOnce() const { return Arguments({"--max-running-jobs", "2"}); }
  v1::TrainingJob Get(const std::shared_ptr<grpc::Channel>& channel, const std::string& id) {
    TestContext context;
    v1::GetTrainingJobRequest request;
    request.set_name("trainingJobs/" + id);
    v1::TrainingJob job;
    EXPECT_TRUE(
        v1::TrainingService::NewStub(channel)->GetTrainingJob(&context, request, &job).ok());
    return job;
  }
  v1::TrainingJob SetShare(const std::shared_ptr<grpc::Channel>& channel, const std::string& id,
                           int32_t share) {
    TestContext context;
    v1::UpdateTrainingJobRequest request;
    request.mutable_training_job()->set_name("trainingJobs/" + id);
    request.mutable_training_job()->set_share(share);
    request.mutable_update_mask()->add_paths("share");
    v1::TrainingJob job;
    EXPECT_TRUE(
        v1::TrainingService::NewStub(channel)->UpdateTrainingJob(&context, request, &job).ok());
    return job;
  }
  static v1::TrainingSpec Spec(v1::Cell cell) {
    v1::TrainingSpec spec = SpecOf(3000);
    spec.mutable_config()->set_cell(cell);
    return spec;
  }
  void AwaitEnd(const std::shared_ptr<grpc::Channel>& channel, const std::string& id) {
    Watch(channel, id, [](const auto&) { return false; });
  }
};

TEST_F(SeveralJobsTest, TwoRunBesideEachOtherSurviveAKillAndEndAsEachAlone) {
  {
    Derind derind(TwoAtOnce());
    derind.AwaitOutput("serves on");
    const auto channel = NewChannel();
    Upload(channel);
    Create(channel, "lstm", Spec(v1::CELL_LSTM));
    Create(channel, "gru", Spec(v1::CELL_GRU));
    Create(channel, "third", Spec(v1::CELL_LSTM));
    AwaitProgress(channel, "lstm", 1);
    AwaitProgress(channel, "gru", 1);
    EXPECT_EQ(Get(channel, "lstm").state(), v1::TrainingJob::STATE_RUNNING);
    EXPECT_EQ(Get(channel, "gru").state(), v1::TrainingJob::STATE_RUNNING);
    EXPECT_EQ(Get(channel, "gru").share(), 1);
    EXPECT_GT(Get(channel, "gru").memory_bytes(), 0);
    EXPECT_EQ(Get(channel, "third").state(), v1::TrainingJob::STATE_QUEUED);
    EXPECT_THAT(Get(channel, "third").waiting_reason(), HasSubstr("--max-running-jobs"));
    EXPECT_EQ(SetShare(channel, "gru", 3).share(), 3);
    while (Checkpoints(channel, "lstm") == 0 || Checkpoints(channel, "gru") == 0) sched_yield();
    derind.Kill(SIGKILL);
  }
  Derind derind(TwoAtOnce());
  derind.AwaitOutput("serves on");
  const auto channel = NewChannel();
  AwaitProgress(channel, "gru", 2);
  EXPECT_EQ(Get(channel, "gru").share(), 3);
  for (const char* id : {"lstm", "gru", "third"}) AwaitEnd(channel, id);
  // With nothing beside it.
  Create(channel, "gru-alone", Spec(v1::CELL_GRU));
  AwaitEnd(channel, "gru-alone");
  EXPECT_NE(WeightsOf(channel, "gru-alone"), "");
  EXPECT_EQ(WeightsOf(channel, "gru"), WeightsOf(channel, "gru-alone"));
  EXPECT_EQ(WeightsOf(channel, "lstm"), WeightsOf(channel, "third"));
}

TEST_F(SeveralJobsTest, AllThatRunGoBackToTheQueueWhenItIsStopped) {
  Derind derind(TwoAtOnce());
  derind.AwaitOutput("serves on");
  {
    const auto channel = NewChannel();
    Upload(channel);
    for (const char* id : {"a", "b"}) Create(channel, id, SpecOf(1'000'000));
    AwaitProgress(channel, "a", 1);
    AwaitProgress(channel, "b", 1);
  }
  derind.Kill(SIGTERM);
  EXPECT_EQ(derind.ExitStatus(), 0);
  Derind again(Arguments());
  again.AwaitOutput("serves on");
  const auto channel = NewChannel();
  AwaitProgress(channel, "a", 2);
  EXPECT_EQ(Get(channel, "b").state(), v1::TrainingJob::STATE_QUEUED) << "one at a time here";
  EXPECT_EQ(Checkpoints(channel, "b"), 1);
}

}  // namespace
}  // namespace derin::server
