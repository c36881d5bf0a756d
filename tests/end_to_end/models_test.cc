#include <filesystem>
#include <utility>

#include "tests/end_to_end/client_test_server.h"

namespace derin::server {
namespace {

using client::ErrorField;
using client::ErrorReason;
using ::testing::HasSubstr;

class ModelsTest : public ClientTest {
 protected:
  // models/sea with two versions.
  void SetUp() override {
    ClientTest::SetUp();
    TrainModel();
    client::TrainingSpec spec = SmallSpec();
    spec.seed = 2;
    ASSERT_EQ(Train(spec).model_version, "models/sea/versions/2");
  }

  Generated Draw(const std::string& model) {
    return Generate({.model = model, .prompt = "the ", .max_tokens = 30, .seed = 3});
  }
};

TEST_F(ModelsTest, AnAliasStandsForAVersionWhereverOneIsNamed) {
  const auto set = client_->SetModelAlias("models/sea/aliases/stable", "models/sea/versions/1");
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->model_version, "models/sea/versions/1");
  ASSERT_TRUE(client_->SetModelAlias("models/sea/aliases/canary", "models/sea").ok());

  const Generated stable = Draw("models/sea/aliases/stable");
  ASSERT_TRUE(stable.end.ok()) << stable.end.status();
  EXPECT_EQ(stable.start.model_version, "models/sea/versions/1");
  EXPECT_EQ(stable.text, Draw("models/sea/versions/1").text);
  EXPECT_EQ(Draw("models/sea/aliases/canary").start.model_version, "models/sea/versions/2");

  std::string scored;
  ASSERT_TRUE(client_
                  ->ScoreText({.model = "models/sea/aliases/stable"}, client::TextSource("the sea"),
                              {.start =
                                   [&](const client::ScoreStart& start) {
                                     scored = start.model_version;
                                     return true;
                                   }})
                  .ok());
  EXPECT_EQ(scored, "models/sea/versions/1");

  client::TrainingSpec spec = SmallSpec();
  spec.start_from = client::StartFrom{.model_version = "models/sea/aliases/stable"};
  const auto job = client_->CreateTrainingJob(spec, {.validate_only = true});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->spec.start_from->model_version, "models/sea/versions/1");

  const auto model = client_->GetModel("models/sea");
  ASSERT_TRUE(model.ok()) << model.status();
  ASSERT_EQ(model->aliases.size(), 2);
  EXPECT_EQ(model->aliases[0].name, "models/sea/aliases/canary");
  EXPECT_EQ(client_->ListModels()->at(0).aliases.size(), 2);
  EXPECT_EQ(client_->GetModelVersion("models/sea/aliases/canary")->name, "models/sea/versions/2");
  EXPECT_EQ(client_->ListModelVersions("models/sea")->size(), 2);
}

TEST_F(ModelsTest, ASessionKeepsTheVersionItWasOpenedWithWhenItsAliasMoves) {
  ASSERT_TRUE(client_->SetModelAlias("models/sea/aliases/stable", "models/sea/versions/1").ok());
  const auto session = client_->OpenSession("models/sea/aliases/stable", {.seed = 5});
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->model_version, "models/sea/versions/1");
  ASSERT_TRUE(client_->SetModelAlias("models/sea/aliases/stable", "models/sea/versions/2").ok());
  EXPECT_EQ(Generate({.session = session->name, .max_tokens = 5}).start.model_version,
            "models/sea/versions/1");
  EXPECT_EQ(Draw("models/sea/aliases/stable").start.model_version, "models/sea/versions/2");

  Restart();
  Connect();
  EXPECT_EQ(Draw("models/sea/aliases/stable").start.model_version, "models/sea/versions/2");
  EXPECT_EQ(Generate({.session = session->name, .max_tokens = 5}).start.model_version,
            "models/sea/versions/1");
}

TEST_F(ModelsTest, WhatMakesNoAliasIsRefused) {
  const auto refused = [&](const std::string& name, const std::string& version) {
    return client_->SetModelAlias(name, version).status();
  };
  EXPECT_EQ(ErrorField(refused("models/sea/aliases/Stable", "models/sea")), "name");
  EXPECT_EQ(ErrorField(refused("models/sea", "models/sea")), "name");
  EXPECT_EQ(ErrorField(refused("models/sea/aliases/stable", "")), "model_version");
  const absl::Status other = refused("models/sea/aliases/stable", "models/tide/versions/1");
  EXPECT_EQ(ErrorField(other), "model_version");
  EXPECT_THAT(std::string(other.message()), HasSubstr("wanted a version of models/sea"));
  EXPECT_EQ(ErrorReason(refused("models/sea/aliases/stable", "models/sea/versions/9")),
            "MODEL_VERSION_NOT_FOUND");
  EXPECT_EQ(ErrorReason(refused("models/tide/aliases/stable", "models/tide")), "MODEL_NOT_FOUND");

  ASSERT_TRUE(client_->SetModelAlias("models/sea/aliases/stable", "models/sea").ok());
  const absl::Status unknown = Draw("models/sea/aliases/canary").end.status();
  EXPECT_EQ(unknown.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorReason(unknown), "MODEL_ALIAS_NOT_FOUND");
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("it has stable"));
  ASSERT_TRUE(client_->DeleteModelAlias("models/sea/aliases/stable").ok());
  EXPECT_EQ(ErrorReason(Draw("models/sea/aliases/stable").end.status()), "MODEL_ALIAS_NOT_FOUND");
}

TEST_F(ModelsTest, AVersionInUseIsDeletedByForceAlone) {
  const auto session = client_->OpenSession("models/sea/versions/1", {.seed = 5});
  ASSERT_TRUE(session.ok()) << session.status();
  ASSERT_TRUE(Generate({.session = session->name, .max_tokens = 5}).end.ok());
  ASSERT_TRUE(client_->SetModelAlias("models/sea/aliases/stable", "models/sea/versions/1").ok());
  const absl::Status used = client_->DeleteModelVersion("models/sea/versions/1");
  EXPECT_EQ(used.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(used), "MODEL_IN_USE");
  EXPECT_THAT(std::string(used.message()), HasSubstr("1 sessions go on from"));
  // At rest as well.
  Restart();
  Connect();
  EXPECT_EQ(ErrorReason(client_->DeleteModelVersion("models/sea/versions/1")), "MODEL_IN_USE");
  EXPECT_TRUE(Generate({.session = session->name, .max_tokens = 5}).end.ok());

  ASSERT_TRUE(client_->DeleteModelVersion("models/sea/versions/1", /*force=*/true).ok());
  for (int run = 0; run < 2; ++run) {
    const absl::Status gone = Generate({.session = session->name, .max_tokens = 5}).end.status();
    EXPECT_EQ(gone.code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(ErrorReason(gone), "MODEL_DELETED");
    EXPECT_EQ(ErrorReason(client_->ExportSession(session->name).status()), "MODEL_DELETED");
    EXPECT_EQ(ErrorReason(Draw("models/sea/versions/1").end.status()), "MODEL_VERSION_NOT_FOUND");
    EXPECT_EQ(ErrorReason(Draw("models/sea/aliases/stable").end.status()), "MODEL_ALIAS_NOT_FOUND");
    EXPECT_EQ(Draw("models/sea").start.model_version, "models/sea/versions/2");
    Restart();
    Connect();
  }
  EXPECT_TRUE(client_->CloseSession(session->name).ok());
}

TEST_F(ModelsTest, AStreamInADeletedModelsSessionEnds) {
  const auto session = client_->OpenSession("models/sea", {.seed = 5});
  ASSERT_TRUE(session.ok()) << session.status();
  bool deleted = false;
  const auto end =
      client_->Generate({.session = session->name, .max_tokens = 1'000'000},
                        {.text = [&](std::string_view, const std::vector<int32_t>&) {
                          if (std::exchange(deleted, true)) return true;
                          EXPECT_TRUE(client_->DeleteModel("models/sea", /*force=*/true).ok());
                          return true;
                        }});
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->finish_reason, client::FinishReason::kSessionClosed);
  EXPECT_EQ(ErrorReason(Generate({.session = session->name, .max_tokens = 1}).end.status()),
            "MODEL_DELETED");
}

TEST_F(ModelsTest, ADeletedModelsNumbersAndFilesDoNotComeAgain) {
  const auto session = client_->OpenSession("models/sea/versions/2", {.seed = 5});
  ASSERT_TRUE(session.ok()) << session.status();
  const std::string sha256 = client_->GetModelVersion("models/sea/versions/2")->sha256;
  const auto file = folder_.path() / "data" / "blobs" / sha256;
  // A job's checkpoint has the same file.
  const auto jobs = client_->ListTrainingJobs();
  ASSERT_TRUE(jobs.ok()) << jobs.status();
  for (const client::TrainingJob& job : *jobs) {
    ASSERT_TRUE(client_->DeleteTrainingJob(job.name).ok());
  }
  ASSERT_TRUE(std::filesystem::exists(file)) << file;
  ASSERT_TRUE(client_->DeleteModel("models/sea", /*force=*/true).ok());
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_TRUE(client_->ListModels()->empty());
  EXPECT_EQ(ErrorReason(client_->DeleteModel("models/sea")), "MODEL_NOT_FOUND");
  Restart();
  Connect();
  EXPECT_EQ(Train(SmallSpec()).model_version, "models/sea/versions/3");
  EXPECT_EQ(ErrorReason(Generate({.session = session->name, .max_tokens = 1}).end.status()),
            "MODEL_DELETED");
}

TEST_F(ModelsTest, AModelThatAJobTrainsIsDeletedByForceAlone) {
  client::TrainingSpec spec = SmallSpec();
  spec.epochs = 1'000'000;
  const auto job = client_->CreateTrainingJob(spec);
  ASSERT_TRUE(job.ok()) << job.status();
  const absl::Status used = client_->DeleteModel("models/sea");
  EXPECT_EQ(ErrorReason(used), "MODEL_IN_USE");
  EXPECT_THAT(std::string(used.message()), HasSubstr(job->name + ", which is not over, trains it"));
  ASSERT_TRUE(client_->CancelTrainingJob(job->name).ok());
  ASSERT_TRUE(client_->WatchTrainingJob(job->name, {}, {}).ok());
  EXPECT_TRUE(client_->DeleteModel("models/sea").ok());
}

}  // namespace
}  // namespace derin::server
