#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "derin/client/client.h"
#include "tests/client/fake_server.h"

namespace derin::client {
namespace {

using ::derin::testing::FakeServer;
using ::derin::testing::Message;
using ::derin::testing::Refusal;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Writer = grpc::ServerWriter<v1::WatchTrainingJobResponse>;

const grpc::Status kGone(grpc::StatusCode::UNAVAILABLE, "socket closed");

v1::WatchTrainingJobResponse Snapshot() {
  v1::WatchTrainingJobResponse response;
  response.mutable_snapshot()->set_name("trainingJobs/a");
  return response;
}

v1::WatchTrainingJobResponse Event(int64_t sequence) {
  v1::WatchTrainingJobResponse response;
  response.mutable_event()->set_sequence(sequence);
  return response;
}

v1::WatchTrainingJobResponse Progress(int64_t step) {
  v1::WatchTrainingJobResponse response;
  response.mutable_progress()->set_step(step);
  return response;
}

// What a watch delivered, one word an item.
struct Record {
  std::vector<std::string> seen;

  WatchCallbacks Callbacks() {
    WatchCallbacks callbacks;
    callbacks.snapshot = [this](const TrainingJob&) { return Add("snapshot"); };
    callbacks.event = [this](const TrainingEvent& event) {
      return Add("event" + std::to_string(event.sequence));
    };
    callbacks.progress = [this](const TrainingProgress& progress) {
      return Add("step" + std::to_string(progress.step));
    };
    callbacks.reconnecting = [this](const absl::Status&) { Add("reconnecting"); };
    return callbacks;
  }
  bool Add(std::string word) {
    seen.push_back(std::move(word));
    return true;
  }
};

class TrainingCalls : public ::testing::Test {
 protected:
  TrainingCalls() : client_(*Client::Connect({.address = server_.address()})) {
    options_.reconnect_wait = absl::ZeroDuration();
  }

  FakeServer server_;
  std::unique_ptr<Client> client_;
  WatchOptions options_;
};

TEST_F(TrainingCalls, CreateSendsTheSpecAndItsOptions) {
  v1::CreateTrainingJobRequest asked;
  server_.answers().create_training_job = [&asked](const v1::CreateTrainingJobRequest& request,
                                                   v1::TrainingJob& job) {
    asked = request;
    job = request.training_job();
    job.set_name("trainingJobs/" + request.training_job_id());
    return grpc::Status::OK;
  };
  TrainingSpec spec;
  spec.corpus = "corpora/a";
  spec.model = "models/b";
  spec.epochs = 3;
  const auto job =
      client_->CreateTrainingJob(spec, {.id = "x", .request_id = "r", .validate_only = true});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->name, "trainingJobs/x");
  EXPECT_EQ(job->spec, spec);
  EXPECT_EQ(asked.request_id(), "r");
  EXPECT_TRUE(asked.validate_only());
}

TEST_F(TrainingCalls, AnEditNamesWhatItChanges) {
  v1::UpdateTrainingJobRequest asked;
  server_.answers().update_training_job = [&asked](const auto& request, v1::TrainingJob& job) {
    asked = request;
    job = request.training_job();
    return grpc::Status::OK;
  };
  const auto job = client_->UpdateTrainingJob(
      "trainingJobs/a",
      {.priority = 0, .share = 4, .set_labels = {{"team", "verse"}}, .remove_labels = {"draft"}});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->labels.at("team"), "verse");
  EXPECT_EQ(job->share, 4);
  EXPECT_EQ(asked.training_job().name(), "trainingJobs/a");
  EXPECT_THAT(asked.update_mask().paths(),
              ::testing::ElementsAre("priority", "share", "labels.team", "labels.draft"));
  EXPECT_FALSE(asked.training_job().labels().contains("draft"));
  EXPECT_EQ(client_->UpdateTrainingJob("trainingJobs/a", {.set_labels = {{"team", "\xff"}}})
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(TrainingCalls, GetListAndCancelNameTheJob) {
  const auto echo = [](const auto& request, v1::TrainingJob& job) {
    job.set_name(request.name());
    return grpc::Status::OK;
  };
  server_.answers().get_training_job = echo;
  server_.answers().cancel_training_job = echo;
  server_.answers().pause_training_job = echo;
  server_.answers().yield_training_job = echo;
  server_.answers().resume_training_job = echo;
  server_.answers().list_training_checkpoints =
      [](const v1::ListTrainingCheckpointsRequest& request,
         v1::ListTrainingCheckpointsResponse& response) {
        v1::TrainingCheckpoint& one = *response.add_training_checkpoints();
        one.set_name(request.training_job() + "/checkpoints/7");
        one.set_step(7);
        one.set_attempt(2);
        one.set_size_bytes(9);
        one.set_engine_id("cpu/f32/1");
        one.set_training_perplexity(3);
        one.mutable_training_time()->set_seconds(8);
        return grpc::Status::OK;
      };
  server_.answers().list_training_jobs = [](const v1::ListTrainingJobsRequest& request,
                                            v1::ListTrainingJobsResponse& response) {
    response.add_training_jobs()->set_name("trainingJobs/page" + request.page_token());
    if (request.page_token().empty()) response.set_next_page_token("2");
    return grpc::Status::OK;
  };
  EXPECT_EQ(client_->GetTrainingJob("trainingJobs/a")->name, "trainingJobs/a");
  EXPECT_EQ(client_->CancelTrainingJob("trainingJobs/b")->name, "trainingJobs/b");
  EXPECT_EQ(client_->PauseTrainingJob("trainingJobs/c")->name, "trainingJobs/c");
  EXPECT_EQ(client_->YieldTrainingJob("trainingJobs/e")->name, "trainingJobs/e");
  EXPECT_EQ(client_->ResumeTrainingJob("trainingJobs/d")->name, "trainingJobs/d");
  const auto checkpoints = client_->ListTrainingCheckpoints("trainingJobs/e");
  ASSERT_TRUE(checkpoints.ok());
  ASSERT_EQ(checkpoints->size(), 1);
  const TrainingCheckpoint& checkpoint = checkpoints->front();
  EXPECT_EQ(checkpoint.name, "trainingJobs/e/checkpoints/7");
  EXPECT_EQ(checkpoint.step, 7);
  EXPECT_EQ(checkpoint.attempt, 2);
  EXPECT_EQ(checkpoint.size_bytes, 9);
  EXPECT_EQ(checkpoint.engine_id, "cpu/f32/1");
  EXPECT_EQ(checkpoint.training_perplexity, 3);
  EXPECT_EQ(checkpoint.training_time, absl::Seconds(8));
  EXPECT_FALSE(checkpoint.validation_perplexity.has_value());
  const auto jobs = client_->ListTrainingJobs();
  ASSERT_TRUE(jobs.ok());
  ASSERT_EQ(jobs->size(), 2);
  EXPECT_EQ((*jobs)[1].name, "trainingJobs/page2");
}

TEST_F(TrainingCalls, DeleteNamesTheJobOrTheCheckpoint) {
  std::vector<std::string> deleted;
  const auto take = [&deleted](const auto& request, google::protobuf::Empty&) {
    deleted.push_back(request.name());
    return grpc::Status::OK;
  };
  server_.answers().delete_training_job = take;
  server_.answers().delete_training_checkpoint = take;
  EXPECT_TRUE(client_->DeleteTrainingJob("trainingJobs/a").ok());
  EXPECT_TRUE(client_->DeleteTrainingCheckpoint("trainingJobs/b/checkpoints/7").ok());
  EXPECT_THAT(deleted, ElementsAre("trainingJobs/a", "trainingJobs/b/checkpoints/7"));
  server_.answers().delete_training_job = [](const auto&, google::protobuf::Empty&) {
    return Refusal{.code = grpc::StatusCode::FAILED_PRECONDITION,
                   .message = "it is RUNNING",
                   .reason = "JOB_STATE"}
        .ToGrpc();
  };
  EXPECT_EQ(ErrorReason(client_->DeleteTrainingJob("trainingJobs/a")), "JOB_STATE");
}

TEST_F(TrainingCalls, MetricsAreThoseOfTheJob) {
  server_.answers().list_training_metrics = [](const v1::ListTrainingMetricsRequest& request,
                                               v1::ListTrainingMetricsResponse& response) {
    EXPECT_EQ(request.training_job(), "trainingJobs/a");
    for (const int step : {10, 20}) response.add_training_metrics()->set_step(step);
    v1::TrainingMetrics& last = *response.mutable_training_metrics(1);
    last.set_attempt(2);
    last.set_epochs_done(3);
    last.set_tokens(4);
    last.mutable_time()->set_seconds(5);
    last.set_training_loss(6);
    last.set_training_perplexity(7);
    last.set_validation_perplexity(8);
    last.set_learning_rate(9);
    last.set_gradient_norm(10);
    last.set_tokens_per_second(11);
    return grpc::Status::OK;
  };
  const auto points = client_->ListTrainingMetrics("trainingJobs/a");
  ASSERT_TRUE(points.ok()) << points.status();
  ASSERT_EQ(points->size(), 2u);
  const TrainingMetrics& last = points->back();
  EXPECT_EQ(last.step, 20);
  EXPECT_EQ(last.attempt, 2);
  EXPECT_EQ(last.epochs_done, 3);
  EXPECT_EQ(last.tokens, 4);
  EXPECT_EQ(last.time, absl::FromUnixSeconds(5));
  EXPECT_EQ(last.training_loss, 6);
  EXPECT_EQ(last.training_perplexity, 7);
  EXPECT_FALSE(last.epoch_training_perplexity.has_value());
  EXPECT_EQ(last.validation_perplexity, 8);
  EXPECT_EQ(last.learning_rate, 9);
  EXPECT_EQ(last.gradient_norm, 10);
  EXPECT_EQ(last.tokens_per_second, 11);
}

TEST_F(TrainingCalls, PublishNamesTheCheckpointAndGivesTheVersion) {
  server_.answers().publish_training_checkpoint =
      [](const v1::PublishTrainingCheckpointRequest& request, v1::ModelVersion& version) {
        version.set_name("models/m/versions/3");
        version.set_training_checkpoint(request.name());
        return grpc::Status::OK;
      };
  const auto version = client_->PublishTrainingCheckpoint("trainingJobs/a/checkpoints/7");
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(version->name, "models/m/versions/3");
  EXPECT_EQ(version->training_checkpoint, "trainingJobs/a/checkpoints/7");
}

TEST_F(TrainingCalls, WatchDeliversInOrderUntilTheServerEnds) {
  server_.answers().watch_training_job =
      [](grpc::ServerContext&, const v1::WatchTrainingJobRequest& request, Writer& writer) {
        EXPECT_EQ(request.name(), "trainingJobs/a");
        EXPECT_EQ(request.since_sequence(), 4);
        for (const auto& response : {Snapshot(), Event(5), Progress(10)}) writer.Write(response);
        return grpc::Status::OK;
      };
  Record record;
  options_.since_sequence = 4;
  EXPECT_TRUE(client_->WatchTrainingJob("trainingJobs/a", options_, record.Callbacks()).ok());
  EXPECT_THAT(record.seen, ElementsAre("snapshot", "event5", "step10"));
}

TEST_F(TrainingCalls, WatchGoesOnAfterABrokenConnectionWhereItsEventsEnded) {
  std::vector<int64_t> since;
  server_.answers().watch_training_job =
      [&since](grpc::ServerContext&, const v1::WatchTrainingJobRequest& request, Writer& writer) {
        since.push_back(request.since_sequence());
        writer.Write(Snapshot());
        writer.Write(Event(request.since_sequence() + 1));
        return since.size() < 3 ? kGone : grpc::Status::OK;
      };
  Record record;
  EXPECT_TRUE(client_->WatchTrainingJob("trainingJobs/a", options_, record.Callbacks()).ok());
  EXPECT_THAT(since, ElementsAre(0, 1, 2));
  EXPECT_THAT(record.seen, ElementsAre("snapshot", "event1", "reconnecting", "snapshot", "event2",
                                       "reconnecting", "snapshot", "event3"));
}

TEST_F(TrainingCalls, WatchGivesUpAfterSoManyTriesInARow) {
  int calls = 0;
  server_.answers().watch_training_job =
      [&calls](grpc::ServerContext&, const v1::WatchTrainingJobRequest&, Writer& writer) {
        if (++calls == 1) writer.Write(Snapshot());
        return kGone;
      };
  Record record;
  options_.reconnect_tries = 3;
  const absl::Status status =
      client_->WatchTrainingJob("trainingJobs/a", options_, record.Callbacks());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(status), HasSubstr("socket closed"));
  EXPECT_EQ(calls, 4);
}

TEST_F(TrainingCalls, WatchThatNeverBeganIsNotTriedAgain) {
  int calls = 0;
  server_.answers().watch_training_job = [&calls](grpc::ServerContext&,
                                                  const v1::WatchTrainingJobRequest&, Writer&) {
    ++calls;
    return kGone;
  };
  EXPECT_FALSE(client_->WatchTrainingJob("trainingJobs/a", options_, {}).ok());
  EXPECT_EQ(calls, 1);
}

TEST_F(TrainingCalls, WatchDoesNotTryAgainWhenTheServerRefuses) {
  int calls = 0;
  server_.answers().watch_training_job =
      [&calls](grpc::ServerContext&, const v1::WatchTrainingJobRequest&, Writer& writer) {
        ++calls;
        writer.Write(Snapshot());
        return Refusal{.code = grpc::StatusCode::NOT_FOUND, .message = "gone", .reason = "JOB_GONE"}
            .ToGrpc();
      };
  const absl::Status status = client_->WatchTrainingJob("trainingJobs/a", options_, {});
  EXPECT_EQ(ErrorReason(status), "JOB_GONE");
  EXPECT_EQ(calls, 1);
}

TEST_F(TrainingCalls, WatchStopsWhenACallbackWantsNoMore) {
  server_.answers().watch_training_job = [](grpc::ServerContext&,
                                            const v1::WatchTrainingJobRequest&, Writer& writer) {
    writer.Write(Snapshot());
    int64_t step = 0;
    while (writer.Write(Progress(++step))) {
    }
    return grpc::Status::CANCELLED;
  };
  int64_t last = 0;
  WatchCallbacks callbacks;
  callbacks.progress = [&last](const TrainingProgress& progress) {
    last = progress.step;
    return last < 7;
  };
  const absl::Status status = client_->WatchTrainingJob("trainingJobs/a", options_, callbacks);
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(last, 7);
}

TEST_F(TrainingCalls, WatchCanBeCancelledFromAnotherThread) {
  server_.answers().watch_training_job = [](grpc::ServerContext&,
                                            const v1::WatchTrainingJobRequest&, Writer& writer) {
    while (writer.Write(Progress(1))) {
    }
    return grpc::Status::CANCELLED;
  };
  Cancellation cancellation;
  std::thread other;
  WatchCallbacks callbacks;
  callbacks.progress = [&](const TrainingProgress&) {
    if (!other.joinable()) other = std::thread([&cancellation] { cancellation.Cancel(); });
    return true;
  };
  const absl::Status status =
      client_->WatchTrainingJob("trainingJobs/a", options_, callbacks, &cancellation);
  other.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
}

TEST_F(TrainingCalls, WatchThatIsCancelledBeforeItBeginsDeliversNothing) {
  server_.answers().watch_training_job = [](grpc::ServerContext&,
                                            const v1::WatchTrainingJobRequest&, Writer& writer) {
    writer.Write(Snapshot());
    return grpc::Status::OK;
  };
  Cancellation cancellation;
  cancellation.Cancel();
  Record record;
  const absl::Status status =
      client_->WatchTrainingJob("trainingJobs/a", options_, record.Callbacks(), &cancellation);
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(record.seen.empty());
}

TEST_F(TrainingCalls, WatchThatWaitsToReconnectCanBeCancelled) {
  server_.answers().watch_training_job = [](grpc::ServerContext&,
                                            const v1::WatchTrainingJobRequest&, Writer& writer) {
    writer.Write(Snapshot());
    return kGone;
  };
  Cancellation cancellation;
  WatchCallbacks callbacks;
  callbacks.reconnecting = [&cancellation](const absl::Status&) { cancellation.Cancel(); };
  // The test would never end if the wait did not.
  options_.reconnect_wait = absl::InfiniteDuration();
  const absl::Status status =
      client_->WatchTrainingJob("trainingJobs/a", options_, callbacks, &cancellation);
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace derin::client
