#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "derin/v1/corpus.grpc.pb.h"
#include "derin/v1/model.grpc.pb.h"
#include "derin/v1/server.grpc.pb.h"
#include "derin/v1/training.grpc.pb.h"
#include "derind_folder.h"
#include "server_test.h"
#include "tests/sanitized.h"

namespace derin::server {

// Small trainings of a derind, from outside.
class DerindTrainingTest : public DerindTest {
 protected:
  // The corpus that SpecOf trains on.
  void Upload(const std::shared_ptr<grpc::Channel>& channel) {
    std::string text;
    for (int i = 0; i < 40; ++i) text += "abcdefghi ";
    Upload(channel, "text", {{"", text}});
  }
  struct Document {
    std::string name, text;  // no name: the text is all of the corpus
  };
  void Upload(const std::shared_ptr<grpc::Channel>& channel, const std::string& id,
              const std::vector<Document>& documents) {
    TestContext context;
    v1::Corpus corpus;
    const auto writer = v1::CorpusService::NewStub(channel)->UploadCorpus(&context, &corpus);
    v1::UploadCorpusRequest message;
    message.mutable_header()->set_corpus_id(id);
    writer->Write(message);
    for (const Document& document : documents) {
      if (!document.name.empty()) {
        message.mutable_document()->set_name(document.name);
        writer->Write(message);
      }
      message.set_chunk(document.text);
      writer->Write(message);
    }
    writer->WritesDone();
    ASSERT_TRUE(writer->Finish().ok());
  }
  // Some seconds on a quick machine; the first checkpoint is there after one.
  static v1::TrainingSpec SpecOf(int epochs = 6000) {
    v1::TrainingSpec spec;
    spec.set_corpus("corpora/text");
    spec.mutable_config()->set_layers(1);
    spec.mutable_config()->set_hidden(16);
    spec.set_batch(2);
    spec.set_steps(10);
    spec.set_validation_share(0.2);
    spec.set_epochs(kSanitized ? epochs / 2 : epochs);
    spec.set_seed(7);
    spec.mutable_optimizer()->mutable_adam();
    spec.mutable_checkpoint_interval()->set_seconds(1);
    return spec;
  }
  // A job whose model has its name.
  void Create(const std::shared_ptr<grpc::Channel>& channel, const std::string& id,
              const v1::TrainingSpec& spec) {
    v1::CreateTrainingJobRequest request;
    request.set_training_job_id(id);
    *request.mutable_training_job()->mutable_spec() = spec;
    request.mutable_training_job()->mutable_spec()->set_model("models/" + id);
    TestContext context;
    v1::TrainingJob job;
    const grpc::Status status =
        v1::TrainingService::NewStub(channel)->CreateTrainingJob(&context, request, &job);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  // Watches until `enough`, or until the job is over; under a sanitizer that takes its time.
  template <typename Enough>
  void Watch(const std::shared_ptr<grpc::Channel>& channel, const std::string& id, Enough enough) {
    grpc::ClientContext context;
    v1::WatchTrainingJobRequest request;
    request.set_name("trainingJobs/" + id);
    const auto reader = v1::TrainingService::NewStub(channel)->WatchTrainingJob(&context, request);
    v1::WatchTrainingJobResponse response;
    while (reader->Read(&response)) {
      if (enough(response)) break;
    }
    context.TryCancel();
    while (reader->Read(&response)) {
    }
    reader->Finish();
  }
  void AwaitProgress(const std::shared_ptr<grpc::Channel>& channel, const std::string& id,
                     int attempt) {
    Watch(channel, id, [attempt](const v1::WatchTrainingJobResponse& response) {
      return response.progress().attempt() == attempt;
    });
  }
  // Until it is paused.
  void Pause(const std::shared_ptr<grpc::Channel>& channel, const std::string& id) {
    Ask(channel, &v1::TrainingService::Stub::PauseTrainingJob, id);
    Watch(channel, id, [](const v1::WatchTrainingJobResponse& response) {
      return response.snapshot().state() == v1::TrainingJob::STATE_PAUSED ||
             response.event().state() == v1::TrainingJob::STATE_PAUSED;
    });
  }
  void Resume(const std::shared_ptr<grpc::Channel>& channel, const std::string& id) {
    Ask(channel, &v1::TrainingService::Stub::ResumeTrainingJob, id);
  }
  template <typename Request>
  void Ask(const std::shared_ptr<grpc::Channel>& channel,
           grpc::Status (v1::TrainingService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                             v1::TrainingJob*),
           const std::string& id) {
    TestContext context;
    Request request;
    request.set_name("trainingJobs/" + id);
    v1::TrainingJob job;
    const auto training = v1::TrainingService::NewStub(channel);
    const grpc::Status status = ((*training).*method)(&context, request, &job);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  bool Offers(const std::shared_ptr<grpc::Channel>& channel, v1::Precision precision) {
    TestContext context;
    v1::ServerInfo info;
    EXPECT_TRUE(v1::ServerService::NewStub(channel)
                    ->GetServerInfo(&context, v1::GetServerInfoRequest(), &info)
                    .ok());
    const auto& offered = info.device().precisions();
    return std::find(offered.begin(), offered.end(), precision) != offered.end();
  }
  int Checkpoints(const std::shared_ptr<grpc::Channel>& channel, const std::string& id) {
    TestContext context;
    v1::ListTrainingCheckpointsRequest request;
    request.set_training_job("trainingJobs/" + id);
    v1::ListTrainingCheckpointsResponse response;
    EXPECT_TRUE(v1::TrainingService::NewStub(channel)
                    ->ListTrainingCheckpoints(&context, request, &response)
                    .ok());
    return response.training_checkpoints_size();
  }
  v1::ListTrainingMetricsResponse CurveOf(const std::shared_ptr<grpc::Channel>& channel,
                                          const std::string& id) {
    TestContext context;
    v1::ListTrainingMetricsRequest request;
    request.set_training_job("trainingJobs/" + id);
    v1::ListTrainingMetricsResponse response;
    EXPECT_TRUE(v1::TrainingService::NewStub(channel)
                    ->ListTrainingMetrics(&context, request, &response)
                    .ok());
    return response;
  }
  std::string WeightsOf(const std::shared_ptr<grpc::Channel>& channel, const std::string& model) {
    TestContext context;
    v1::GetModelRequest request;
    request.set_name("models/" + model);
    v1::Model found;
    EXPECT_TRUE(v1::ModelService::NewStub(channel)->GetModel(&context, request, &found).ok());
    return found.latest_version().sha256();
  }
};

}  // namespace derin::server
