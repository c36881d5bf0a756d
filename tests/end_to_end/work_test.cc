#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <thread>

#include "derin/v1/corpus.grpc.pb.h"
#include "derin/v1/generation.grpc.pb.h"
#include "derin/v1/model.grpc.pb.h"
#include "derin/v1/server.grpc.pb.h"
#include "derin/v1/training.grpc.pb.h"
#include "server_test.h"

namespace derin::server {
namespace {

// A server that trains and generates, and is told to stop meanwhile.
class Work : public ServerTest {
 protected:
  void SetUp() override {
    StartServer();
    Upload();
  }

  void Upload() {
    TestContext context;
    v1::Corpus corpus;
    const auto stub = v1::CorpusService::NewStub(channel_);
    const auto writer = stub->UploadCorpus(&context, &corpus);
    v1::UploadCorpusRequest message;
    message.mutable_header()->set_corpus_id("alice");
    writer->Write(message);
    std::string text;
    while (text.size() < 500) text += "the quick brown fox jumps over the lazy dog. ";
    message.set_chunk(text);
    writer->Write(message);
    writer->WritesDone();
    ASSERT_TRUE(writer->Finish().ok());
  }

  // A small network for so many passes.
  v1::TrainingJob Create(int64_t epochs) {
    v1::CreateTrainingJobRequest request;
    request.set_training_job_id("job");
    v1::TrainingSpec& spec = *request.mutable_training_job()->mutable_spec();
    spec.set_corpus("corpora/alice");
    spec.set_model("models/alice");
    spec.mutable_config()->set_hidden(8);
    spec.mutable_config()->set_layers(1);
    spec.set_batch(2);
    spec.set_steps(10);
    spec.set_seed(1);
    spec.set_epochs(epochs);
    TestContext context;
    v1::TrainingJob job;
    const grpc::Status status =
        v1::TrainingService::NewStub(channel_)->CreateTrainingJob(&context, request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return job;
  }

  v1::TrainingJob GetJob() {
    TestContext context;
    v1::GetTrainingJobRequest request;
    request.set_name("trainingJobs/job");
    v1::TrainingJob job;
    EXPECT_TRUE(
        v1::TrainingService::NewStub(channel_)->GetTrainingJob(&context, request, &job).ok());
    return job;
  }

  // One watch of the job; `until` is asked after each message.
  template <typename Until>
  grpc::Status Watch(Until until) {
    TestContext context;
    v1::WatchTrainingJobRequest request;
    request.set_name("trainingJobs/job");
    const auto stub = v1::TrainingService::NewStub(channel_);
    const auto reader = stub->WatchTrainingJob(&context, request);
    v1::WatchTrainingJobResponse message;
    while (reader->Read(&message)) {
      if (until(message)) context.TryCancel();
    }
    return reader->Finish();
  }

  void Train() {
    Create(1);
    const grpc::Status status = Watch([](const auto&) { return false; });
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_EQ(GetJob().state(), v1::TrainingJob::STATE_SUCCEEDED) << GetJob().message();
  }

  TestContext stream_context_;
};

TEST_F(Work, ATrainedModelIsListedAndGenerates) {
  Train();
  TestContext context;
  v1::GetModelRequest request;
  request.set_name("models/alice");
  v1::Model model;
  ASSERT_TRUE(v1::ModelService::NewStub(channel_)->GetModel(&context, request, &model).ok());
  EXPECT_EQ(model.latest_version().name(), "models/alice/versions/1");
  TestContext list_context;
  v1::ListModelsResponse models;
  ASSERT_TRUE(v1::ModelService::NewStub(channel_)->ListModels(&list_context, {}, &models).ok());
  ASSERT_EQ(models.models_size(), 1);
  EXPECT_EQ(models.models(0).SerializeAsString(), model.SerializeAsString());

  v1::GenerateRequest generate;
  generate.set_model("models/alice");
  generate.set_max_tokens(20);
  const auto stub = v1::GenerationService::NewStub(channel_);
  const auto reader = stub->Generate(&stream_context_, generate);
  v1::GenerateResponse message, last;
  int tokens = 0;
  while (reader->Read(&message)) {
    tokens += message.tokens_size();
    last = message;
  }
  const grpc::Status status = reader->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(tokens, 20);
  EXPECT_EQ(last.end().finish_reason(), v1::FINISH_REASON_LENGTH);
}

TEST_F(Work, StoppingEndsStreamsWithTheirPosition) {
  Train();
  v1::GenerateRequest request;
  request.set_model("models/alice");
  request.set_max_tokens(1'000'000);
  const auto stub = v1::GenerationService::NewStub(channel_);
  const auto reader = stub->Generate(&stream_context_, request);
  v1::GenerateResponse message;
  ASSERT_TRUE(reader->Read(&message));
  std::thread shutdown([this] { server_->Shutdown(absl::ZeroDuration()); });
  int64_t tokens = message.tokens_size();
  while (reader->Read(&message)) tokens += message.tokens_size();
  const grpc::Status status = reader->Finish();
  shutdown.join();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(message.end().finish_reason(), v1::FINISH_REASON_SERVER_STOPPING);
  EXPECT_EQ(message.end().generated_tokens(), tokens);
}

TEST_F(Work, StoppingPutsTheRunningJobBackIntoTheQueueAndTellsItsWatchers) {
  Create(1'000'000);
  std::thread shutdown;
  const grpc::Status status = Watch([&](const v1::WatchTrainingJobResponse& message) {
    // It trains: stop now. The watch gets the rest of the story.
    if (message.has_progress() && message.progress().step() > 0 && !shutdown.joinable()) {
      shutdown = std::thread([this] { server_->Shutdown(absl::Hours(1)); });
    }
    return false;
  });
  shutdown.join();
  EXPECT_EQ(status.error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "SERVER_STOPPING");

  Restart();
  // It goes on by itself, as a new attempt.
  Watch([](const v1::WatchTrainingJobResponse& message) {
    return message.has_progress() && message.progress().attempt() == 2;
  });
  EXPECT_EQ(GetJob().attempt(), 2);
  EXPECT_EQ(GetJob().state(), v1::TrainingJob::STATE_RUNNING);
}

TEST_F(Work, TheLoadIsWhatTheServerDoes) {
  Train();
  v1::OpenSessionRequest request;
  request.set_model("models/alice");
  TestContext open_context;
  v1::Session session;
  ASSERT_TRUE(
      v1::GenerationService::NewStub(channel_)->OpenSession(&open_context, request, &session).ok());
  TestContext context;
  v1::ServerInfo info;
  ASSERT_TRUE(v1::ServerService::NewStub(channel_)->GetServerInfo(&context, {}, &info).ok());
  EXPECT_EQ(info.load().sessions(), 1);
  EXPECT_EQ(info.load().running_training_jobs(), 0);
  EXPECT_EQ(info.load().generate_streams(), 0);
}

}  // namespace
}  // namespace derin::server
