#include <gmock/gmock.h>

#include <memory>
#include <string>

#include "derin/v1/corpus.grpc.pb.h"
#include "derin/v1/generation.grpc.pb.h"
#include "derin/v1/server.grpc.pb.h"
#include "derin/v1/training.grpc.pb.h"
#include "losable_backend.h"
#include "model/backend/backend_list.h"
#include "server_test.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kWhy[] = "the GPU is lost to this process: cudaEventSynchronize: illegal address";

// A server whose device is lost while it works.
class DeviceLost : public ServerTest {
 protected:
  void SetUp() override {
    auto backend = std::make_unique<LosableBackend>(*NewBackend("cpu", 1));
    backend_ = backend.get();
    options_.metrics_listen = "127.0.0.1:0";
    auto server = Server::Start(options_, std::move(backend));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = NewChannel();
    Upload();
    ASSERT_TRUE(Create("first", 1).ok());
    AwaitState("first", v1::TrainingJob::STATE_SUCCEEDED);
  }

  void Upload() {
    TestContext context;
    v1::Corpus corpus;
    const auto writer = v1::CorpusService::NewStub(channel_)->UploadCorpus(&context, &corpus);
    v1::UploadCorpusRequest message;
    message.mutable_header()->set_corpus_id("fox");
    writer->Write(message);
    std::string text;
    while (text.size() < 500) text += "the quick brown fox jumps over the lazy dog. ";
    message.set_chunk(text);
    writer->Write(message);
    writer->WritesDone();
    ASSERT_TRUE(writer->Finish().ok());
  }

  grpc::Status Create(const std::string& id, int64_t epochs) {
    v1::CreateTrainingJobRequest request;
    request.set_training_job_id(id);
    v1::TrainingSpec& spec = *request.mutable_training_job()->mutable_spec();
    spec.set_corpus("corpora/fox");
    spec.set_model("models/fox");
    spec.mutable_config()->set_hidden(8);
    spec.mutable_config()->set_layers(1);
    spec.set_batch(2);
    spec.set_steps(10);
    spec.set_epochs(epochs);
    TestContext context;
    v1::TrainingJob job;
    return v1::TrainingService::NewStub(channel_)->CreateTrainingJob(&context, request, &job);
  }

  v1::TrainingJob Get(const std::string& id) {
    TestContext context;
    v1::GetTrainingJobRequest request;
    request.set_name("trainingJobs/" + id);
    v1::TrainingJob job;
    EXPECT_TRUE(
        v1::TrainingService::NewStub(channel_)->GetTrainingJob(&context, request, &job).ok());
    return job;
  }

  // Watches the job until a message says that it has trained, or to its end.
  void Watch(const std::string& id, bool to_its_end) {
    TestContext context;
    v1::WatchTrainingJobRequest request;
    request.set_name("trainingJobs/" + id);
    const auto reader = v1::TrainingService::NewStub(channel_)->WatchTrainingJob(&context, request);
    v1::WatchTrainingJobResponse message;
    while (reader->Read(&message)) {
      if (!to_its_end && message.has_progress()) context.TryCancel();
    }
    reader->Finish();
  }
  void AwaitState(const std::string& id, v1::TrainingJob::State state) {
    Watch(id, true);
    EXPECT_EQ(Get(id).state(), state) << Get(id).message();
  }

  static v1::GenerateRequest Request(int64_t tokens) {
    v1::GenerateRequest request;
    request.set_model("models/fox");
    request.set_max_tokens(tokens);
    return request;
  }
  grpc::Status Generate(int64_t tokens) {
    TestContext context;
    const auto reader =
        v1::GenerationService::NewStub(channel_)->Generate(&context, Request(tokens));
    v1::GenerateResponse message;
    while (reader->Read(&message)) continue;
    return reader->Finish();
  }

  static void ExpectLost(const grpc::Status& status) {
    EXPECT_EQ(status.error_code(), grpc::UNAVAILABLE);
    EXPECT_EQ(ReasonOf(status), "DEVICE_LOST");
    EXPECT_THAT(status.error_message(), StartsWith(kWhy));
  }

  std::string Metrics() { return HttpGet(server_->metrics_address(), "/metrics"); }

  LosableBackend* backend_ = nullptr;
};

TEST_F(DeviceLost, EndsWhatRunsAndRefusesWhatComes) {
  ASSERT_TRUE(Generate(5).ok());
  ASSERT_TRUE(Create("running", 1'000'000).ok());
  ASSERT_TRUE(Create("waiting", 1).ok());
  Watch("running", false);
  TestContext context;
  const auto stream =
      v1::GenerationService::NewStub(channel_)->Generate(&context, Request(1'000'000));
  v1::GenerateResponse message;
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_EQ(Health(channel_, ""), 1);
  EXPECT_THAT(Metrics(), HasSubstr("\nderin_device_lost 0\n"));

  backend_->Lose(absl::UnavailableError(kWhy));
  while (stream->Read(&message)) continue;
  ExpectLost(stream->Finish());
  AwaitState("running", v1::TrainingJob::STATE_FAILED);
  EXPECT_EQ(Get("running").reason(), "DEVICE_LOST");
  EXPECT_THAT(Get("running").message(), HasSubstr("cudaEventSynchronize"));

  EXPECT_EQ(Health(channel_, ""), 2);
  EXPECT_THAT(Metrics(), HasSubstr("\nderin_device_lost 1\n"));
  EXPECT_EQ(Health(channel_, "derin.v1.GenerationService"), 2);
  ExpectLost(Generate(5));
  ExpectLost(Create("late", 1));
  // What needs no device still answers.
  TestContext info_context;
  v1::ServerInfo info;
  ASSERT_TRUE(v1::ServerService::NewStub(channel_)->GetServerInfo(&info_context, {}, &info).ok());
  EXPECT_EQ(info.device().failure(), kWhy);
  EXPECT_EQ(Get("waiting").state(), v1::TrainingJob::STATE_QUEUED);
}

TEST_F(DeviceLost, ANewProcessGoesOnWithWhatWaited) {
  ASSERT_TRUE(Create("running", 1'000'000).ok());
  ASSERT_TRUE(Create("waiting", 1).ok());
  Watch("running", false);
  backend_->Lose(absl::UnavailableError(kWhy));
  AwaitState("running", v1::TrainingJob::STATE_FAILED);

  options_.device = "cpu";
  Restart();
  EXPECT_EQ(Health(channel_, ""), 1);
  EXPECT_TRUE(Generate(5).ok());
  AwaitState("waiting", v1::TrainingJob::STATE_SUCCEEDED);
  EXPECT_EQ(Get("running").state(), v1::TrainingJob::STATE_FAILED);
}

}  // namespace
}  // namespace derin::server
