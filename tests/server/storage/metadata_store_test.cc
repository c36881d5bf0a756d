#include "server/storage/metadata_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <tuple>

#include "absl/strings/str_format.h"
#include "server/status/error.h"
#include "tests/server/storage/stored_resources.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

v1::ModelVersion TestVersion(const std::string& file) {
  v1::ModelVersion version;
  version.set_sha256(Sha256Hex(file));
  version.set_vocabulary_size(28);
  return version;
}

class MetadataStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Reopen();
    ASSERT_TRUE(store_->InsertCorpus(TestCorpus("text")).ok());
  }

  void Reopen() {
    store_.reset();
    absl::StatusOr<std::unique_ptr<MetadataStore>> store =
        MetadataStore::Open(folder_.path() / "metadata.sqlite");
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  v1::TrainingJob Insert(const NewTrainingJob& job) {
    const absl::StatusOr<InsertedJob> inserted = store_->InsertTrainingJob(job);
    EXPECT_TRUE(inserted.ok()) << inserted.status();
    EXPECT_TRUE(inserted->is_new);
    return inserted->update.job;
  }

  absl::StatusOr<Published> Publish(const v1::TrainingJob& job) {
    JobUpdate update = InState(job, v1::TrainingJob::STATE_SUCCEEDED);
    update.events.insert(update.events.begin(), v1::TrainingEvent());
    update.events[0].set_kind(v1::TrainingEvent::KIND_PUBLISHED);
    return store_->Publish(TestVersion("weights of " + job.name()), update);
  }

  TemporaryFolder folder_;
  std::unique_ptr<MetadataStore> store_;
};

TEST_F(MetadataStoreTest, TheServersIdIsDrawnOnceForEachFile) {
  const std::string id = store_->server_id();
  EXPECT_THAT(id, MatchesRegex("[a-f][0-9a-f]{15}"));
  Reopen();
  EXPECT_EQ(store_->server_id(), id);
  EXPECT_NE((*MetadataStore::Open(folder_.path() / "another"))->server_id(), id);
}

TEST_F(MetadataStoreTest, EverythingIsThereAgainAfterReopening) {
  NewTrainingJob job = TestJob("a");
  job.request_id = "r";
  job.request_sha256 = Sha256Hex("request");
  const v1::TrainingJob inserted = Insert(job);
  const absl::StatusOr<Published> published = Publish(inserted);
  ASSERT_TRUE(published.ok()) << published.status();
  Insert(TestJob("b"));
  Reopen();
  EXPECT_TRUE(Same(*store_->GetCorpus("text"), TestCorpus("text")));
  EXPECT_TRUE(Same(*store_->GetTrainingJob("a"), published->update.job));
  EXPECT_TRUE(Same(*store_->GetModelVersion({"m", 1}), published->version));
  EXPECT_TRUE(Same(store_->GetModel("m")->latest_version(), published->version));
  EXPECT_EQ(store_->ListTrainingEvents("a", 0)->size(), 3);
  EXPECT_EQ(store_->ListUnfinishedTrainingJobs()->size(), 1);
  EXPECT_EQ(store_->ListTrainingJobs("", 10)->items.size(), 2);
  EXPECT_EQ(store_->ListCorpora("", 10)->items.size(), 1);
  EXPECT_EQ(store_->ListModels("", 10)->items.size(), 1);
  EXPECT_EQ((*store_->FindRequest("r", Sha256Hex("request")))->name(), "trainingJobs/a");
}

TEST_F(MetadataStoreTest, AJobMakesItsModelOnce) {
  EXPECT_EQ(ErrorReason(store_->GetModel("m").status()), "MODEL_NOT_FOUND");
  Insert(TestJob("a"));
  NewTrainingJob later = TestJob("b");
  later.update.job.mutable_create_time()->set_seconds(9'000);
  Insert(later);
  const auto model = store_->GetModel("m");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->create_time().seconds(), 2'000);
  EXPECT_EQ(ErrorReason(store_->GetModelVersion({"m"}).status()), "MODEL_HAS_NO_VERSION");
}

TEST_F(MetadataStoreTest, AJobThatIsRefusedLeavesNothing) {
  NewTrainingJob of_no_corpus = TestJob("a", "made-by-a");
  of_no_corpus.update.job.mutable_spec()->set_corpus("corpora/gone");
  const absl::Status no_corpus = store_->InsertTrainingJob(of_no_corpus).status();
  EXPECT_EQ(no_corpus.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorReason(no_corpus), "CORPUS_NOT_FOUND");

  Insert(TestJob("b"));
  const absl::Status taken = store_->InsertTrainingJob(TestJob("b", "made-by-b")).status();
  EXPECT_EQ(ErrorReason(taken), "JOB_EXISTS");

  EXPECT_EQ(ErrorReason(store_->GetTrainingJob("a").status()), "JOB_NOT_FOUND");
  EXPECT_EQ(ErrorReason(store_->GetModel("made-by-a").status()), "MODEL_NOT_FOUND");
  EXPECT_EQ(ErrorReason(store_->GetModel("made-by-b").status()), "MODEL_NOT_FOUND");
  EXPECT_EQ(store_->ListTrainingEvents("b", 0)->size(), 1);
}

TEST_F(MetadataStoreTest, TheSameRequestAgainAnswersWithItsJobAsItIsNow) {
  NewTrainingJob job = TestJob("a");
  job.request_id = "r";
  job.request_sha256 = Sha256Hex("request");
  const v1::TrainingJob first = Insert(job);
  const auto over = store_->UpdateTrainingJob(InState(first, v1::TrainingJob::STATE_CANCELLED));
  ASSERT_TRUE(over.ok()) << over.status();
  ASSERT_TRUE(store_->DeleteCorpus("text").ok());

  // The server draws another id for the retry, and its corpus is gone meanwhile.
  job.update.job.set_name("trainingJobs/b");
  const auto again = store_->InsertTrainingJob(job);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->is_new);
  EXPECT_TRUE(Same(again->update.job, over->job));
  EXPECT_TRUE(again->update.events.empty());
  EXPECT_EQ(store_->ListTrainingJobs("", 10)->items.size(), 1);
}

TEST_F(MetadataStoreTest, TheSameRequestIdWithOtherContentsStoresNothing) {
  NewTrainingJob job = TestJob("a");
  job.request_id = "r";
  job.request_sha256 = Sha256Hex("request");
  Insert(job);
  job.update.job.set_name("trainingJobs/b");
  job.request_sha256 = Sha256Hex("another request");
  const absl::Status other = store_->InsertTrainingJob(job).status();
  EXPECT_EQ(other.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorField(other), "request_id");
  EXPECT_EQ(store_->ListTrainingJobs("", 10)->items.size(), 1);
}

TEST_F(MetadataStoreTest, ACorpusStaysWhileAJobNeedsIt) {
  const v1::TrainingJob job = Insert(TestJob("a"));
  const absl::Status used = store_->DeleteCorpus("text");
  EXPECT_EQ(used.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(used), "CORPUS_IN_USE");
  EXPECT_THAT(std::string(used.message()), HasSubstr("trainingJobs/a"));
  ASSERT_TRUE(store_->GetCorpus("text").ok());

  ASSERT_TRUE(store_->UpdateTrainingJob(InState(job, v1::TrainingJob::STATE_FAILED)).ok());
  EXPECT_TRUE(store_->DeleteCorpus("text").ok());
  EXPECT_EQ(ErrorReason(store_->DeleteCorpus("text")), "CORPUS_NOT_FOUND");
  EXPECT_TRUE(store_->GetTrainingJob("a").ok()) << "jobs outlive their corpus";
}

TEST_F(MetadataStoreTest, PublishingNamesTheVersionEverywhere) {
  const auto published = Publish(Insert(TestJob("a")));
  ASSERT_TRUE(published.ok()) << published.status();
  EXPECT_EQ(published->version.name(), "models/m/versions/1");
  EXPECT_EQ(published->version.training_job(), "trainingJobs/a");
  EXPECT_EQ(published->update.job.model_version(), "models/m/versions/1");
  EXPECT_EQ(published->update.job.state(), v1::TrainingJob::STATE_SUCCEEDED);
  EXPECT_EQ(published->update.job.last_sequence(), 3);
  const auto events = store_->ListTrainingEvents("a", 1);
  ASSERT_EQ(events->size(), 2);
  EXPECT_EQ((*events)[0].message(), "models/m/versions/1");
  EXPECT_EQ((*events)[1].message(), "");
  EXPECT_EQ(Publish(Insert(TestJob("b")))->version.name(), "models/m/versions/2");
}

TEST_F(MetadataStoreTest, PublishingHappensAsAWholeOrNotAtAll) {
  const v1::TrainingJob job = Insert(TestJob("a"));
  ASSERT_TRUE(Publish(job).ok());
  // The version is inserted first; then the job turns out to be over.
  const absl::Status again = Publish(job).status();
  EXPECT_EQ(again.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(again), "JOB_IS_OVER");
  EXPECT_EQ(store_->GetModel("m")->version_count(), 1);
  EXPECT_EQ(store_->ListTrainingEvents("a", 0)->size(), 3);
  // The number that was rolled back is free.
  EXPECT_EQ(Publish(Insert(TestJob("b")))->version.name(), "models/m/versions/2");
}

TEST_F(MetadataStoreTest, EventsOfManyThreadsAreNumberedWithoutGaps) {
  constexpr int kThreads = 4;
  constexpr int kUpdates = 10;
  const v1::TrainingJob job = Insert(TestJob("a"));
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kUpdates; ++n) {
        JobUpdate update = InState(job, v1::TrainingJob::STATE_RUNNING);
        update.events.push_back(TestEvent(v1::TrainingJob::STATE_RUNNING));
        const auto updated = store_->UpdateTrainingJob(update);
        ASSERT_TRUE(updated.ok()) << updated.status();
        EXPECT_EQ(updated->events[1].sequence(), updated->events[0].sequence() + 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto events = store_->ListTrainingEvents("a", 0);
  ASSERT_TRUE(events.ok()) << events.status();
  ASSERT_EQ(events->size(), 1 + 2 * kThreads * kUpdates);
  for (size_t i = 0; i < events->size(); ++i) {
    EXPECT_EQ((*events)[i].sequence(), static_cast<int64_t>(i + 1));
  }
  EXPECT_EQ(store_->GetTrainingJob("a")->last_sequence(), events->size());
}

TEST_F(MetadataStoreTest, OfManyThreadsWithOneRequestOneMakesTheJob) {
  std::atomic<int> made = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      NewTrainingJob job = TestJob(absl::StrFormat("job-%d", i));
      job.request_id = "r";
      job.request_sha256 = Sha256Hex("request");
      const auto inserted = store_->InsertTrainingJob(job);
      ASSERT_TRUE(inserted.ok()) << inserted.status();
      made += inserted->is_new;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, 1);
  EXPECT_EQ(store_->ListTrainingJobs("", 10)->items.size(), 1);
}

StoredCheckpoint CheckpointAt(int64_t step) {
  StoredCheckpoint stored{.model_sha256 = Sha256Hex(absl::StrFormat("weights at %d", step)),
                          .state_sha256 = Sha256Hex(absl::StrFormat("state at %d", step))};
  stored.checkpoint.set_step(step);
  return stored;
}

TEST_F(MetadataStoreTest, ADeletedJobLeavesNothingButItsVersions) {
  NewTrainingJob job = TestJob("a");
  job.request_id = "r";
  job.request_sha256 = Sha256Hex("request");
  const v1::TrainingJob inserted = Insert(job);
  ASSERT_TRUE(store_->InsertTrainingCheckpoint("a", CheckpointAt(5), {.newest = 2}).ok());
  const auto published = Publish(inserted);
  ASSERT_TRUE(published.ok()) << published.status();
  Insert(TestJob("b"));
  ASSERT_TRUE(store_->DeleteTrainingJob("a").ok());
  EXPECT_EQ(ErrorReason(store_->DeleteTrainingJob("a")), "JOB_NOT_FOUND");
  EXPECT_EQ(ErrorReason(store_->GetTrainingJob("a").status()), "JOB_NOT_FOUND");
  EXPECT_EQ(ErrorReason(store_->ListTrainingEvents("a", 0).status()), "JOB_NOT_FOUND");
  EXPECT_EQ(*store_->FindRequest("r", Sha256Hex("request")), std::nullopt);
  EXPECT_TRUE(store_->GetModelVersion({"m", 1}).ok());
  EXPECT_THAT(*store_->DigestsInUse(),
              UnorderedElementsAre(Sha256Hex("some text"), published->version.sha256()));
  EXPECT_EQ(store_->ListTrainingEvents("b", 0)->size(), 1);
  // Its id is free, and nothing of the former job comes back with it.
  Insert(TestJob("a"));
  EXPECT_EQ(store_->ListTrainingEvents("a", 0)->size(), 1);
  EXPECT_TRUE(store_->ListTrainingCheckpoints("a")->empty());
}

TEST_F(MetadataStoreTest, TheCheckpointThatAJobGoesOnFromStays) {
  const v1::TrainingJob job = Insert(TestJob("a"));
  for (const int64_t step : {5, 10}) {
    ASSERT_TRUE(store_->InsertTrainingCheckpoint("a", CheckpointAt(step), {.newest = 2}).ok());
  }
  const absl::Status in_use = store_->DeleteTrainingCheckpoint("a", 10);
  EXPECT_EQ(in_use.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(in_use), "CHECKPOINT_IN_USE");
  EXPECT_EQ(ErrorReason(store_->DeleteTrainingCheckpoint("a", 7)), "CHECKPOINT_NOT_FOUND");
  EXPECT_EQ(ErrorReason(store_->DeleteTrainingCheckpoint("b", 7)), "JOB_NOT_FOUND");
  EXPECT_TRUE(store_->DeleteTrainingCheckpoint("a", 5).ok());
  ASSERT_TRUE(store_->UpdateTrainingJob(InState(job, v1::TrainingJob::STATE_FAILED)).ok());
  EXPECT_TRUE(store_->DeleteTrainingCheckpoint("a", 10).ok());
  EXPECT_EQ(store_->DigestsInUse()->size(), 1) << "the text's";
}

TEST_F(MetadataStoreTest, ACancelledJobKeepsItsNewestCheckpointAndAFailedOneAll) {
  for (const auto& [id, state, kept] : {std::tuple<const char*, v1::TrainingJob::State, size_t>{
                                            "a", v1::TrainingJob::STATE_CANCELLED, 1},
                                        {"b", v1::TrainingJob::STATE_FAILED, 2}}) {
    const v1::TrainingJob job = Insert(TestJob(id));
    for (const int64_t step : {5, 10}) {
      ASSERT_TRUE(store_->InsertTrainingCheckpoint(id, CheckpointAt(step), {.newest = 2}).ok());
    }
    ASSERT_TRUE(store_->UpdateTrainingJob(InState(job, state)).ok());
    const auto checkpoints = store_->ListTrainingCheckpoints(id);
    EXPECT_EQ(checkpoints->size(), kept);
    EXPECT_EQ(checkpoints->front().checkpoint.step(), 10);
  }
}

TEST_F(MetadataStoreTest, WhatAForkBeginsWithStaysWhenItsSourceGoes) {
  Insert(TestJob("a"));
  ASSERT_TRUE(store_->InsertTrainingCheckpoint("a", CheckpointAt(5), {.newest = 2}).ok());
  NewTrainingJob fork = TestJob("b");
  fork.update.job.mutable_spec()->mutable_start_from()->set_training_checkpoint(
      "trainingJobs/a/checkpoints/5");
  fork.start = JobStart{CheckpointAt(5).model_sha256, CheckpointAt(5).state_sha256};
  Insert(fork);
  ASSERT_TRUE(store_->DeleteTrainingJob("a").ok());
  EXPECT_EQ(store_->DigestsInUse()->size(), 3) << "the text, the weights and the state";
  EXPECT_EQ((*store_->GetTrainingStart("b"))->state_sha256, CheckpointAt(5).state_sha256);

  fork.update.job.set_name("trainingJobs/c");
  EXPECT_EQ(ErrorReason(store_->InsertTrainingJob(fork).status()), "JOB_NOT_FOUND");
  Insert(TestJob("a"));
  ASSERT_TRUE(store_->InsertTrainingCheckpoint("a", CheckpointAt(5), {.newest = 2}).ok());
  fork.start->model_sha256 = Sha256Hex("other weights");
  EXPECT_EQ(ErrorReason(store_->InsertTrainingJob(fork).status()), "CHECKPOINT_NOT_FOUND");
  EXPECT_EQ(ErrorReason(store_->GetTrainingJob("c").status()), "JOB_NOT_FOUND");
}

TEST_F(MetadataStoreTest, ACurveIsStoredWithACheckpointAndWithTheEnd) {
  const auto curve = [](int64_t step) {
    v1::ListTrainingMetricsResponse made;
    made.add_training_metrics()->set_step(step);
    return made;
  };
  const v1::TrainingJob job = Insert(TestJob("a"));
  EXPECT_EQ(store_->GetTrainingCurve("a")->training_metrics_size(), 0);
  ASSERT_TRUE(store_->InsertTrainingCheckpoint("a", CheckpointAt(5), {.newest = 2}, curve(5)).ok());
  EXPECT_TRUE(Same(*store_->GetTrainingCurve("a"), curve(5)));
  JobUpdate running = InState(job, v1::TrainingJob::STATE_RUNNING);
  ASSERT_TRUE(store_->UpdateTrainingJob(running).ok());
  EXPECT_TRUE(Same(*store_->GetTrainingCurve("a"), curve(5)));
  JobUpdate failed = InState(job, v1::TrainingJob::STATE_FAILED);
  failed.curve = curve(8);
  ASSERT_TRUE(store_->UpdateTrainingJob(failed).ok());
  Reopen();
  EXPECT_TRUE(Same(*store_->GetTrainingCurve("a"), curve(8)));
}

TEST_F(MetadataStoreTest, ACheckpointIsPublishedOnceAndTheJobGoesOn) {
  const v1::TrainingJob job = Insert(TestJob("a"));
  ASSERT_TRUE(store_->InsertTrainingCheckpoint("a", CheckpointAt(5), {.newest = 2}).ok());
  v1::TrainingEvent event;
  event.set_kind(v1::TrainingEvent::KIND_PUBLISHED);
  const v1::ModelVersion weights = TestVersion("weights at 5");
  const auto published = store_->PublishCheckpoint(weights, {job, {event}}, 5);
  ASSERT_TRUE(published.ok()) << published.status();
  EXPECT_EQ(published->version.name(), "models/m/versions/1");
  EXPECT_EQ(published->version.training_job(), "trainingJobs/a");
  EXPECT_EQ(published->version.training_checkpoint(), "trainingJobs/a/checkpoints/5");
  EXPECT_EQ(published->update.job.last_sequence(), 2);
  EXPECT_EQ(store_->ListTrainingEvents("a", 1)->at(0).message(), "models/m/versions/1");
  EXPECT_EQ(store_->GetTrainingJob("a")->model_version(), "") << "that is what it ends with";

  const auto again = store_->PublishCheckpoint(weights, {published->update.job, {event}}, 5);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(Same(again->version, published->version));
  EXPECT_TRUE(again->update.events.empty());
  EXPECT_EQ(store_->ListTrainingEvents("a", 0)->size(), 2);

  EXPECT_EQ(ErrorReason(store_->PublishCheckpoint(weights, {job, {event}}, 6).status()),
            "CHECKPOINT_NOT_FOUND");
  EXPECT_EQ(
      ErrorReason(store_->PublishCheckpoint(TestVersion("others"), {job, {event}}, 5).status()),
      "CHECKPOINT_NOT_FOUND");
  EXPECT_EQ(store_->GetModel("m")->version_count(), 1);
}

TEST_F(MetadataStoreTest, KnowsAllDigestsThatRecordsName) {
  ASSERT_TRUE(store_->InsertCorpus(TestCorpus("same", "some text")).ok());
  ASSERT_TRUE(store_->InsertCorpus(TestCorpus("other", "other text")).ok());
  const auto published = Publish(Insert(TestJob("a")));
  ASSERT_TRUE(published.ok()) << published.status();
  EXPECT_THAT(*store_->DigestsInUse(),
              UnorderedElementsAre(Sha256Hex("some text"), Sha256Hex("other text"),
                                   published->version.sha256()));
}

TEST_F(MetadataStoreTest, AnAliasIsMadeAndMovedAndIsThereAfterReopening) {
  ASSERT_TRUE(Publish(Insert(TestJob("a"))).ok());
  ASSERT_TRUE(Publish(Insert(TestJob("b"))).ok());
  const ModelReference stable{"m", 0, "stable"};
  google::protobuf::Timestamp first;
  first.set_seconds(1);
  const auto made = store_->SetModelAlias(stable, {"m", 1}, first);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->name(), "models/m/aliases/stable");
  EXPECT_EQ(made->model_version(), "models/m/versions/1");
  google::protobuf::Timestamp later;
  later.set_seconds(2);
  // Where the latest is now: it does not follow when that changes.
  const auto moved = store_->SetModelAlias(stable, {"m"}, later);
  ASSERT_TRUE(moved.ok()) << moved.status();
  EXPECT_EQ(moved->model_version(), "models/m/versions/2");
  EXPECT_EQ(moved->create_time().seconds(), 1);
  EXPECT_EQ(moved->update_time().seconds(), 2);
  ASSERT_TRUE(store_->SetModelAlias({"m", 0, "canary"}, stable, later).ok());
  ASSERT_TRUE(Publish(Insert(TestJob("c"))).ok());
  Reopen();
  EXPECT_EQ(store_->GetModelVersion(stable)->name(), "models/m/versions/2");
  EXPECT_EQ(store_->GetModelVersion({"m", 0, "canary"})->name(), "models/m/versions/2");
  EXPECT_TRUE(Same(store_->GetModel("m")->aliases(1), *moved));
  ASSERT_TRUE(store_->DeleteModelAlias(stable).ok());
  EXPECT_EQ(ErrorReason(store_->DeleteModelAlias(stable)), "MODEL_ALIAS_NOT_FOUND");
  EXPECT_EQ(ErrorReason(store_->GetModelVersion(stable).status()), "MODEL_ALIAS_NOT_FOUND");
  EXPECT_EQ(store_->GetModel("m")->version_count(), 3);
}

TEST_F(MetadataStoreTest, AnAliasThatCannotBeSetStaysWhereItWas) {
  ASSERT_TRUE(Publish(Insert(TestJob("a"))).ok());
  ASSERT_TRUE(store_->SetModelAlias({"m", 0, "stable"}, {"m", 1}, {}).ok());
  EXPECT_EQ(ErrorReason(store_->SetModelAlias({"m", 0, "stable"}, {"m", 2}, {}).status()),
            "MODEL_VERSION_NOT_FOUND");
  EXPECT_EQ(ErrorReason(store_->SetModelAlias({"m", 0, "stable"}, {"m", 0, "x"}, {}).status()),
            "MODEL_ALIAS_NOT_FOUND");
  EXPECT_EQ(store_->GetModelVersion({"m", 0, "stable"})->name(), "models/m/versions/1");
  for (int i = 1; i < 100; ++i) {
    ASSERT_TRUE(store_->SetModelAlias({"m", 0, absl::StrFormat("a%d", i)}, {"m", 1}, {}).ok());
  }
  const absl::Status full = store_->SetModelAlias({"m", 0, "more"}, {"m", 1}, {}).status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(full), "ALIASES_FULL");
  // One that is there can still be moved.
  EXPECT_TRUE(store_->SetModelAlias({"m", 0, "stable"}, {"m", 1}, {}).ok());
  EXPECT_THAT(std::string(store_->DeleteModelVersion({"m", 1}, false).message()),
              HasSubstr("95 more uses"));
}

TEST_F(MetadataStoreTest, AVersionInUseIsDeletedByForceAlone) {
  ASSERT_TRUE(Publish(Insert(TestJob("a"))).ok());
  ASSERT_TRUE(Publish(Insert(TestJob("b"))).ok());
  ASSERT_TRUE(store_->SetModelAlias({"m", 0, "stable"}, {"m", 1}, {}).ok());
  ASSERT_TRUE(store_->SetModelAlias({"m", 0, "canary"}, {"m", 2}, {}).ok());
  NewTrainingJob from = TestJob("c");
  from.update.job.mutable_spec()->mutable_start_from()->set_model_version("models/m/versions/1");
  from.start = JobStart{store_->GetModelVersion({"m", 1})->sha256(), ""};
  const std::string weights = from.start->model_sha256;
  Insert(from);

  const absl::Status used = store_->DeleteModelVersion({"m", 1}, /*force=*/false);
  EXPECT_EQ(used.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(used), "MODEL_IN_USE");
  EXPECT_THAT(std::string(used.message()),
              AllOf(HasSubstr("its alias stable"), Not(HasSubstr("canary")),
                    HasSubstr("trainingJobs/c, which is not over, began with it")));
  EXPECT_TRUE(store_->GetModelVersion({"m", 0, "stable"}).ok()) << "a refusal changes nothing";

  ASSERT_TRUE(store_->DeleteModelVersion({"m", 1}, /*force=*/true).ok());
  Reopen();
  EXPECT_EQ(ErrorReason(store_->GetModelVersion({"m", 1}).status()), "MODEL_VERSION_NOT_FOUND");
  EXPECT_EQ(ErrorReason(store_->GetModelVersion({"m", 0, "stable"}).status()),
            "MODEL_ALIAS_NOT_FOUND");
  EXPECT_EQ(store_->GetModelVersion({"m", 0, "canary"})->name(), "models/m/versions/2");
  EXPECT_TRUE(store_->DigestsInUse()->contains(weights)) << "the job still begins with them";
  EXPECT_EQ(ErrorReason(store_->DeleteModelVersion({"m", 1}, false)), "MODEL_VERSION_NOT_FOUND");
}

TEST_F(MetadataStoreTest, AModelInUseIsDeletedByForceAloneAndItsJobMakesItAnew) {
  const auto first = Publish(Insert(TestJob("a")));
  ASSERT_TRUE(first.ok()) << first.status();
  const v1::TrainingJob job = Insert(TestJob("b"));
  const std::vector<std::string> versions{"models/m/versions/1"};
  const absl::Status used = store_->DeleteModel("m", versions, /*force=*/false);
  EXPECT_EQ(ErrorReason(used), "MODEL_IN_USE");
  EXPECT_THAT(std::string(used.message()),
              HasSubstr("trainingJobs/b, which is not over, trains it"));
  EXPECT_EQ(ErrorReason(store_->DeleteModel("m", {}, /*force=*/true)), "MODEL_CHANGED");
  EXPECT_TRUE(store_->GetModelVersion({"m", 1}).ok());

  ASSERT_TRUE(store_->SetModelAlias({"m", 0, "stable"}, {"m", 1}, {}).ok());
  ASSERT_TRUE(store_->DeleteModel("m", versions, /*force=*/true).ok());
  EXPECT_FALSE(store_->DigestsInUse()->contains(first->version.sha256()));
  Reopen();
  EXPECT_EQ(ErrorReason(store_->GetModel("m").status()), "MODEL_NOT_FOUND");
  EXPECT_EQ(ErrorReason(store_->DeleteModel("m", {}, true)), "MODEL_NOT_FOUND");

  const auto published = Publish(job);
  ASSERT_TRUE(published.ok()) << published.status();
  EXPECT_EQ(published->version.name(), "models/m/versions/2");
  EXPECT_EQ(store_->GetModel("m")->aliases_size(), 0);
}

TEST_F(MetadataStoreTest, AModelThatNothingUsesIsDeletedWithoutForce) {
  ASSERT_TRUE(Publish(Insert(TestJob("a"))).ok());
  ASSERT_TRUE(Publish(Insert(TestJob("b"))).ok());
  ASSERT_TRUE(store_->DeleteModelVersion({"m", 1}, /*force=*/false).ok());
  const std::vector<std::string> versions{"models/m/versions/2"};
  ASSERT_TRUE(store_->DeleteModel("m", versions, /*force=*/false).ok());
  EXPECT_TRUE(store_->ListModels("", 10)->items.empty());
  EXPECT_TRUE(store_->GetTrainingJob("a").ok());
  Insert(TestJob("c"));
  EXPECT_EQ(store_->GetModel("m")->version_count(), 0);
}

TEST_F(MetadataStoreTest, AnImportedVersionMakesItsModelAndIsTheNext) {
  const auto first = store_->InsertModelVersion("n", TestVersion("weights"));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->name(), "models/n/versions/1");
  EXPECT_EQ(store_->InsertModelVersion("n", TestVersion("weights"))->name(), "models/n/versions/2");
  Reopen();
  EXPECT_TRUE(Same(*store_->GetModelVersion({"n", 1}), *first));
  EXPECT_TRUE(store_->DigestsInUse()->contains(Sha256Hex("weights")));
}

}  // namespace
}  // namespace derin::server
