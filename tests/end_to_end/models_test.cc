#include <filesystem>
#include <utility>

#include "server/storage/metadata_store.h"
#include "server/storage/sha256.h"
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
  EXPECT_THAT(std::string(used.message()),
              HasSubstr("models/sea/versions/1 is in use by sessions, 1 in all"));
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

TEST_F(ModelsTest, WhatACrashLeavesOfADeletedVersionGoesAtTheNextStart) {
  const auto session = client_->OpenSession("models/sea/versions/2", {.seed = 5});
  ASSERT_TRUE(session.ok()) << session.status();
  const auto jobs = client_->ListTrainingJobs();
  ASSERT_TRUE(jobs.ok()) << jobs.status();
  for (const client::TrainingJob& job : *jobs) {
    ASSERT_TRUE(client_->DeleteTrainingJob(job.name).ok());
  }
  const auto data = folder_.path() / "data";
  const auto file = data / "blobs" / client_->GetModelVersion("models/sea/versions/2")->sha256;
  StopServer();
  {
    // As far as a server came that died as soon as the version was gone.
    const auto store = MetadataStore::Open(data / "metadata.sqlite");
    ASSERT_TRUE(store.ok()) << store.status();
    ASSERT_TRUE((*store)->DeleteModelVersion({"sea", 2}, /*force=*/true).ok());
  }
  ASSERT_TRUE(std::filesystem::exists(file));
  StartServer();
  Connect();
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_EQ(ErrorReason(Generate({.session = session->name, .max_tokens = 1}).end.status()),
            "MODEL_DELETED");
  EXPECT_EQ(Draw("models/sea").start.model_version, "models/sea/versions/1");
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

TEST_F(ModelsTest, AnExportedVersionIsTheSameModelOnAnotherServer) {
  std::string file;
  const auto sink = [&file](std::string_view bytes) {
    file += bytes;
    return absl::OkStatus();
  };
  ASSERT_TRUE(client_->SetModelAlias("models/sea/aliases/stable", "models/sea/versions/1").ok());
  const auto exported = client_->ExportModel("models/sea/aliases/stable", sink);
  ASSERT_TRUE(exported.ok()) << exported.status();
  EXPECT_EQ(exported->name, "models/sea/versions/1");
  EXPECT_EQ(exported->size_bytes, static_cast<int64_t>(file.size()));
  EXPECT_EQ(exported->sha256, Sha256Hex(file));
  const Generated here = Draw("models/sea/versions/1");
  ASSERT_TRUE(here.end.ok()) << here.end.status();

  ServerOptions options = options_;
  options.data_directory = folder_.path() / "other";
  auto started = Server::Start(options);
  ASSERT_TRUE(started.ok()) << started.status();
  server_ = *std::move(started);
  Connect();
  const auto imported = client_->ImportModel({.model = "models/tide", .sha256 = exported->sha256},
                                             client::TextSource(file));
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_EQ(imported->name, "models/tide/versions/1");
  EXPECT_EQ(imported->sha256, exported->sha256);
  EXPECT_EQ(imported->config, exported->config);
  EXPECT_EQ(imported->parameter_count, exported->parameter_count);
  EXPECT_EQ(imported->training_job, "");
  const Generated there = Draw("models/tide");
  ASSERT_TRUE(there.end.ok()) << there.end.status();
  EXPECT_EQ(there.text, here.text);
  EXPECT_EQ(there.tokens, here.tokens);

  const std::string first = std::exchange(file, "");
  ASSERT_TRUE(client_->ExportModel("models/tide", sink).ok());
  EXPECT_EQ(file, first);
}

TEST_F(ModelsTest, WhatCannotBeExportedOrImportedIsRefused) {
  const auto drop = [](std::string_view) { return absl::OkStatus(); };
  EXPECT_EQ(ErrorField(client_->ExportModel("sea", drop).status()), "name");
  EXPECT_EQ(ErrorReason(client_->ExportModel("models/none", drop).status()), "MODEL_NOT_FOUND");
  EXPECT_EQ(ErrorReason(client_->ExportModel("models/sea/versions/9", drop).status()),
            "MODEL_VERSION_NOT_FOUND");
  const absl::Status no_model =
      client_->ImportModel({.model = "models/tide"}, client::TextSource("no model")).status();
  EXPECT_EQ(no_model.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(no_model), "MODEL_FILE_INVALID");
  EXPECT_EQ(ErrorField(client_->ImportModel({}, client::TextSource("x")).status()), "header.model");
  EXPECT_EQ(ErrorReason(client_->GetModel("models/tide").status()), "MODEL_NOT_FOUND");

  options_.max_model_bytes = 1000;
  Restart();
  Connect();
  EXPECT_EQ(
      ErrorReason(
          client_->ImportModel({.model = "models/tide"}, client::TextSource(std::string(1001, 'x')))
              .status()),
      "MODEL_TOO_LARGE");
}

}  // namespace
}  // namespace derin::server
