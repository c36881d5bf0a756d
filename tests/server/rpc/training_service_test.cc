#include "server/rpc/training_service.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/server/jobs/training_ground.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;
using v1::TrainingJob;

// The service behind a real server, driven through its stub.
struct TrainingServiceTest : TrainingGround {
  std::unique_ptr<TrainingJobs> jobs;
  std::unique_ptr<Admission> admission;
  std::unique_ptr<TrainingService> service;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<v1::TrainingService::Stub> stub;

  void SetUp() override {
    TrainingGround::SetUp();
    jobs = std::make_unique<TrainingJobs>(Parts(), TrainingJobsOptions{});
    admission = std::make_unique<Admission>(metrics);
    service = std::make_unique<TrainingService>(*admission, *jobs);
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(service.get());
    server = builder.BuildAndStart();
    ASSERT_NE(server, nullptr);
    stub = v1::TrainingService::NewStub(grpc::CreateChannel("127.0.0.1:" + std::to_string(port),
                                                            grpc::InsecureChannelCredentials()));
  }
  void TearDown() override {
    service->StopWatching();
    server->Shutdown();
    server->Wait();
  }

  grpc::Status Create(const v1::CreateTrainingJobRequest& request, TrainingJob& job) {
    grpc::ClientContext context;
    return stub->CreateTrainingJob(&context, request, &job);
  }
  grpc::Status Get(const std::string& name, TrainingJob& job) {
    grpc::ClientContext context;
    v1::GetTrainingJobRequest request;
    request.set_name(name);
    return stub->GetTrainingJob(&context, request, &job);
  }
  grpc::Status Cancel(const std::string& name, TrainingJob& job) {
    grpc::ClientContext context;
    v1::CancelTrainingJobRequest request;
    request.set_name(name);
    return stub->CancelTrainingJob(&context, request, &job);
  }

  struct Watcher {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::WatchTrainingJobResponse>> reader;

    // The next message that `wanted` likes; false at the stream's end.
    template <typename Wanted>
    bool ReadUntil(Wanted wanted, v1::WatchTrainingJobResponse& response) {
      while (reader->Read(&response)) {
        if (wanted(response)) return true;
      }
      return false;
    }
  };
  std::unique_ptr<Watcher> Watch(const std::string& name, int64_t since_sequence = 0) {
    auto watcher = std::make_unique<Watcher>();
    v1::WatchTrainingJobRequest request;
    request.set_name(name);
    request.set_since_sequence(since_sequence);
    watcher->reader = stub->WatchTrainingJob(&watcher->context, request);
    return watcher;
  }

  static google::rpc::Status DetailsOf(const grpc::Status& status) {
    google::rpc::Status details;
    details.ParseFromString(status.error_details());
    return details;
  }
  static std::string ReasonOf(const grpc::Status& status) {
    const google::rpc::Status details = DetailsOf(status);
    for (const auto& detail : details.details()) {
      google::rpc::ErrorInfo info;
      if (detail.UnpackTo(&info)) return info.reason();
    }
    return "";
  }
  static std::string FieldOf(const grpc::Status& status) {
    const google::rpc::Status details = DetailsOf(status);
    for (const auto& detail : details.details()) {
      google::rpc::BadRequest bad_request;
      if (detail.UnpackTo(&bad_request)) return bad_request.field_violations(0).field();
    }
    return "";
  }
};

TEST_F(TrainingServiceTest, WatchesAJobToItsEnd) {
  TrainingJob job;
  ASSERT_TRUE(Create(Request("a", TinySpec()), job).ok());
  const auto watcher = Watch("trainingJobs/a");
  v1::WatchTrainingJobResponse response;
  ASSERT_TRUE(watcher->reader->Read(&response));
  EXPECT_EQ(response.snapshot().state(), TrainingJob::STATE_QUEUED);
  ASSERT_TRUE(jobs->Start().ok());

  std::vector<int64_t> sequences;
  TrainingJob::State last_state = TrainingJob::STATE_UNSPECIFIED;
  double fraction_done = 0;
  while (watcher->reader->Read(&response)) {
    ASSERT_FALSE(response.has_snapshot());
    if (response.has_progress()) fraction_done = response.progress().fraction_done();
    if (!response.has_event()) continue;
    sequences.push_back(response.event().sequence());
    last_state = response.event().state();
  }
  EXPECT_TRUE(watcher->reader->Finish().ok());
  EXPECT_THAT(sequences, testing::ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(last_state, TrainingJob::STATE_SUCCEEDED);
  EXPECT_EQ(fraction_done, 1);
  ASSERT_TRUE(Get("trainingJobs/a", job).ok());
  EXPECT_EQ(job.model_version(), "models/tiny/versions/1");
}

TEST_F(TrainingServiceTest, ResumesAWatchWithoutLoss) {
  ASSERT_TRUE(jobs->Start().ok());
  TrainingJob job;
  ASSERT_TRUE(Create(Request("a", TinySpec()), job).ok());
  v1::WatchTrainingJobResponse response;
  const auto first = Watch("trainingJobs/a");
  while (first->reader->Read(&response)) {
  }
  EXPECT_TRUE(first->reader->Finish().ok());
  const auto watcher = Watch("trainingJobs/a", 2);
  std::vector<int64_t> sequences;
  while (watcher->reader->Read(&response)) {
    if (response.has_event()) sequences.push_back(response.event().sequence());
  }
  EXPECT_TRUE(watcher->reader->Finish().ok());
  EXPECT_THAT(sequences, testing::ElementsAre(3, 4));
}

TEST_F(TrainingServiceTest, CancelsWhileAClientWatches) {
  ASSERT_TRUE(jobs->Start().ok());
  TrainingJob job;
  ASSERT_TRUE(Create(Request("a", EndlessSpec()), job).ok());
  const auto watcher = Watch("trainingJobs/a");
  v1::WatchTrainingJobResponse response;
  ASSERT_TRUE(watcher->ReadUntil([](const auto& r) { return r.has_progress(); }, response));
  ASSERT_TRUE(Cancel("trainingJobs/a", job).ok());
  EXPECT_EQ(job.state(), TrainingJob::STATE_CANCELLING);
  EXPECT_TRUE(watcher->ReadUntil(
      [](const auto& r) { return r.event().state() == TrainingJob::STATE_CANCELLED; }, response));
  EXPECT_FALSE(watcher->reader->Read(&response));
  EXPECT_TRUE(watcher->reader->Finish().ok());
}

TEST_F(TrainingServiceTest, AClientThatLeftIsForgotten) {
  ASSERT_TRUE(jobs->Start().ok());
  TrainingJob job;
  ASSERT_TRUE(Create(Request("a", EndlessSpec()), job).ok());
  v1::WatchTrainingJobResponse response;
  const auto stays = Watch("trainingJobs/a");
  {
    const auto leaves = Watch("trainingJobs/a");
    ASSERT_TRUE(leaves->ReadUntil([](const auto& r) { return r.has_progress(); }, response));
    leaves->context.TryCancel();
    while (leaves->reader->Read(&response)) {
    }
    EXPECT_EQ(leaves->reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  ASSERT_TRUE(stays->ReadUntil([](const auto& r) { return r.has_progress(); }, response));
  // The server's shutdown, in TearDown, waits for calls that did not end.
}

TEST_F(TrainingServiceTest, WatchesEndWhenTheServerStops) {
  TrainingJob job;
  ASSERT_TRUE(Create(Request("a", TinySpec()), job).ok());
  const auto watcher = Watch("trainingJobs/a");
  v1::WatchTrainingJobResponse response;
  ASSERT_TRUE(watcher->reader->Read(&response));
  service->StopWatching();
  while (watcher->reader->Read(&response)) {
  }
  const grpc::Status status = watcher->reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "SERVER_STOPPING");
}

TEST_F(TrainingServiceTest, RefusesAWatchThatMakesNoSense) {
  TrainingJob job;
  ASSERT_TRUE(Create(Request("a", TinySpec()), job).ok());
  v1::WatchTrainingJobResponse response;
  auto watcher = Watch("trainingJobs/a", 2);
  EXPECT_FALSE(watcher->reader->Read(&response));
  grpc::Status status = watcher->reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldOf(status), "since_sequence");

  watcher = Watch("models/a");
  EXPECT_FALSE(watcher->reader->Read(&response));
  EXPECT_EQ(FieldOf(watcher->reader->Finish()), "name");

  watcher = Watch("trainingJobs/nobody");
  EXPECT_FALSE(watcher->reader->Read(&response));
  EXPECT_EQ(watcher->reader->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(TrainingServiceTest, LetsNobodyInWhileItDrains) {
  admission->StartDraining();
  TrainingJob job;
  EXPECT_EQ(ReasonOf(Get("trainingJobs/a", job)), "SERVER_STOPPING");
  const auto watcher = Watch("trainingJobs/a");
  v1::WatchTrainingJobResponse response;
  EXPECT_FALSE(watcher->reader->Read(&response));
  EXPECT_EQ(ReasonOf(watcher->reader->Finish()), "SERVER_STOPPING");
}

TEST_F(TrainingServiceTest, NamesTheFieldAtFault) {
  TrainingJob job;
  v1::TrainingSpec spec = TinySpec();
  spec.set_batch(1000);
  const grpc::Status status = Create(Request("a", spec), job);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldOf(status), "training_job.spec.batch");
  EXPECT_THAT(status.error_message(), HasSubstr("got 1000, wanted 1 to 512"));
  EXPECT_EQ(FieldOf(Get("a", job)), "name");
  EXPECT_EQ(FieldOf(Cancel("", job)), "name");
}

TEST_F(TrainingServiceTest, DeletesJobsAndCheckpointsByTheirNames) {
  const auto remove = [this](const std::string& name) {
    grpc::ClientContext context;
    v1::DeleteTrainingJobRequest request;
    request.set_name(name);
    google::protobuf::Empty empty;
    return stub->DeleteTrainingJob(&context, request, &empty);
  };
  const auto remove_checkpoint = [this](const std::string& name) {
    grpc::ClientContext context;
    v1::DeleteTrainingCheckpointRequest request;
    request.set_name(name);
    google::protobuf::Empty empty;
    return stub->DeleteTrainingCheckpoint(&context, request, &empty);
  };
  TrainingJob job;
  ASSERT_TRUE(Create(Request("a", TinySpec()), job).ok());
  EXPECT_EQ(FieldOf(remove("a")), "name");
  EXPECT_EQ(FieldOf(remove_checkpoint("trainingJobs/a")), "name");
  EXPECT_EQ(ReasonOf(remove_checkpoint("trainingJobs/a/checkpoints/3")), "CHECKPOINT_NOT_FOUND");
  const grpc::Status waiting = remove("trainingJobs/a");
  EXPECT_EQ(waiting.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(waiting), "JOB_STATE");
  EXPECT_THAT(waiting.error_message(), HasSubstr("QUEUED"));
  ASSERT_TRUE(Cancel("trainingJobs/a", job).ok());
  EXPECT_TRUE(remove("trainingJobs/a").ok());
  EXPECT_EQ(ReasonOf(remove("trainingJobs/a")), "JOB_NOT_FOUND");
}

TEST_F(TrainingServiceTest, ListsTheMetricsOfAJob) {
  ASSERT_TRUE(jobs->Start().ok());
  TrainingJob job;
  ASSERT_TRUE(Create(Request("a", TinySpec()), job).ok());
  Tale(*jobs, "a").AwaitEnd();
  const auto list = [this](const std::string& name, v1::ListTrainingMetricsResponse& response) {
    grpc::ClientContext context;
    v1::ListTrainingMetricsRequest request;
    request.set_training_job(name);
    return stub->ListTrainingMetrics(&context, request, &response);
  };
  v1::ListTrainingMetricsResponse response;
  EXPECT_EQ(FieldOf(list("a", response)), "training_job");
  EXPECT_EQ(ReasonOf(list("trainingJobs/b", response)), "JOB_NOT_FOUND");
  ASSERT_TRUE(list("trainingJobs/a", response).ok());
  EXPECT_EQ(response.stride(), 1);
  EXPECT_EQ(response.training_metrics_size(), jobs->Get("a")->progress().steps());
}

TEST_F(TrainingServiceTest, PublishesACheckpointByItsName) {
  const auto publish = [this](const std::string& name, v1::ModelVersion& version) {
    grpc::ClientContext context;
    v1::PublishTrainingCheckpointRequest request;
    request.set_name(name);
    return stub->PublishTrainingCheckpoint(&context, request, &version);
  };
  ASSERT_TRUE(jobs->Start().ok());
  TrainingJob job;
  ASSERT_TRUE(Create(Request("a", TinySpec()), job).ok());
  Tale(*jobs, "a").AwaitEnd();
  v1::ModelVersion version;
  EXPECT_EQ(FieldOf(publish("trainingJobs/a", version)), "name");
  EXPECT_EQ(ReasonOf(publish("trainingJobs/a/checkpoints/1", version)), "CHECKPOINT_NOT_FOUND");
  const grpc::Status status = publish(jobs->ListCheckpoints("a")->front().name(), version);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(version.name(), "models/tiny/versions/2");
}

TEST_F(TrainingServiceTest, ListsPageByPage) {
  TrainingJob job;
  for (const char* id : {"a", "b", "c"}) ASSERT_TRUE(Create(Request(id, TinySpec()), job).ok());
  std::vector<std::string> names;
  v1::ListTrainingJobsRequest request;
  request.set_page_size(2);
  do {
    grpc::ClientContext context;
    v1::ListTrainingJobsResponse response;
    const grpc::Status status = stub->ListTrainingJobs(&context, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_LE(response.training_jobs_size(), 2);
    for (const TrainingJob& listed : response.training_jobs()) names.push_back(listed.name());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(names, testing::ElementsAre("trainingJobs/c", "trainingJobs/b", "trainingJobs/a"));
}

}  // namespace
}  // namespace derin::server
