#include "tests/client/cli/command_test.h"

namespace derin::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

void Fill(v1::Model& model) {
  model.set_name("models/tm");
  model.set_version_count(2);
  v1::ModelVersion& version = *model.mutable_latest_version();
  version.set_name("models/tm/versions/2");
  version.mutable_config()->set_cell(v1::CELL_GRU);
  version.mutable_config()->set_layers(2);
  version.mutable_config()->set_hidden(256);
  version.mutable_config()->set_precision(v1::PRECISION_BF16);
  version.set_parameter_count(612124);
  version.set_training_perplexity(1.05);
  v1::ModelAlias& alias = *model.add_aliases();
  alias.set_name("models/tm/aliases/stable");
  alias.set_model_version("models/tm/versions/1");
}

using ModelsCommand = CommandTest;

TEST_F(ModelsCommand, ListShowsTheLatestVersions) {
  answers().list_models = [](const auto&, v1::ListModelsResponse& response) {
    Fill(*response.add_models());
    response.add_models()->set_name("models/young");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"models", "list"}).out,
            "NAME   VERSIONS  NETWORK      PARAMETERS  PERPLEXITY  VALIDATION  PUBLISHED  ALIASES\n"
            "tm            2  gru 2 x 256     612,124        1.05           -  -          stable\n"
            "young         0  -                     -           -           -  -          -\n");
}

TEST_F(ModelsCommand, ListSaysHowToTrainTheFirst) {
  answers().list_models = [](const auto&, auto&) { return grpc::Status::OK; };
  EXPECT_THAT(Run({"models", "list"}).err, HasSubstr("derin train --corpus NAME --model NAME"));
}

TEST_F(ModelsCommand, ShowPrintsTheLatestVersion) {
  answers().get_model = [](const auto&, v1::Model& model) {
    Fill(model);
    model.mutable_latest_version()->set_validation_perplexity(2.5);
    return grpc::Status::OK;
  };
  const Result result = Run({"models", "show", "tm"});
  EXPECT_THAT(result.out, HasSubstr("aliases   stable -> 1\n"));
  EXPECT_THAT(result.out, HasSubstr("latest         models/tm/versions/2\n"));
  EXPECT_THAT(result.out, HasSubstr("precision      bf16\n"));
  EXPECT_THAT(result.out, HasSubstr("perplexity     1.05 (training), 2.50 (validation)\n"));
  EXPECT_THAT(Run({"models", "show", "tm", "--json"}).out, HasSubstr("\"precision\": \"bf16\""));
}

TEST_F(ModelsCommand, ShowSaysThatNothingIsPublishedYet) {
  answers().get_model = [](const auto&, v1::Model& model) {
    model.set_name("models/young");
    return grpc::Status::OK;
  };
  EXPECT_THAT(Run({"models", "show", "young"}).err, HasSubstr("no version yet"));
}

TEST_F(ModelsCommand, ShowPrintsOneVersionByItsNumberOrItsAlias) {
  std::string asked;
  answers().get_model_version = [&asked](const v1::GetModelVersionRequest& request,
                                         v1::ModelVersion& version) {
    asked = request.name();
    version.set_name("models/tm/versions/1");
    return grpc::Status::OK;
  };
  EXPECT_THAT(Run({"models", "show", "tm/aliases/stable"}).out,
              HasSubstr("name           models/tm/versions/1\n"));
  EXPECT_EQ(asked, "models/tm/aliases/stable");
  EXPECT_THAT(Run({"models", "show", "models/tm/versions/1", "--json"}).out,
              HasSubstr("\"name\": \"models/tm/versions/1\""));
  EXPECT_EQ(asked, "models/tm/versions/1");
}

TEST_F(ModelsCommand, ShowLeavesOutWhatAnImportedVersionDoesNotSay) {
  answers().get_model_version = [](const auto&, v1::ModelVersion& version) {
    version.set_name("models/tm/versions/1");
    return grpc::Status::OK;
  };
  for (const bool json : {false, true}) {
    std::vector<std::string> words{"models", "show", "tm/versions/1"};
    if (json) words.push_back("--json");
    const std::string out = Run(words).out;
    EXPECT_THAT(out, HasSubstr("models/tm/versions/1"));
    EXPECT_THAT(out, Not(HasSubstr("perplexity")));
    EXPECT_THAT(out, Not(HasSubstr("training_job")));
  }
}

TEST_F(ModelsCommand, VersionsListsThemWithTheirAliases) {
  answers().get_model = [](const auto&, v1::Model& model) {
    Fill(model);
    return grpc::Status::OK;
  };
  answers().list_model_versions = [](const v1::ListModelVersionsRequest& request,
                                     v1::ListModelVersionsResponse& response) {
    EXPECT_EQ(request.parent(), "models/tm");
    v1::Model model;
    Fill(model);
    *response.add_model_versions() = model.latest_version();
    v1::ModelVersion& first = *response.add_model_versions();
    first = model.latest_version();
    first.set_name("models/tm/versions/1");
    first.set_training_job("trainingJobs/a");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"models", "versions", "tm"}).out,
            "VERSION  ALIASES  NETWORK      PERPLEXITY  VALIDATION  PUBLISHED  TRAINED BY\n"
            "      2  -        gru 2 x 256        1.05           -  -          -\n"
            "      1  stable   gru 2 x 256        1.05           -  -          a\n");
  EXPECT_THAT(Run({"models", "versions", "tm", "--json"}).out, HasSubstr("\"model_versions\": ["));
}

TEST_F(ModelsCommand, DeleteTakesAModelOrAVersion) {
  std::vector<std::string> deleted;
  answers().delete_model = [&deleted](const v1::DeleteModelRequest& request, auto&) {
    if (!request.force()) {
      return testing::Refusal{.code = grpc::StatusCode::FAILED_PRECONDITION,
                              .message = "in use; or delete it with force",
                              .reason = "MODEL_IN_USE"}
          .ToGrpc();
    }
    deleted.push_back(request.name());
    return grpc::Status::OK;
  };
  answers().delete_model_version = [&deleted](const v1::DeleteModelVersionRequest& request, auto&) {
    deleted.push_back(request.name());
    return grpc::Status::OK;
  };
  const Result refused = Run({"models", "delete", "tm"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("or delete it with force (--force)"));
  EXPECT_EQ(Run({"models", "delete", "tm", "--force"}).out, "deleted models/tm\n");
  EXPECT_THAT(Run({"models", "delete", "tm/versions/2", "--json"}).out,
              HasSubstr("\"deleted\": \"models/tm/versions/2\""));
  EXPECT_THAT(deleted, ::testing::ElementsAre("models/tm", "models/tm/versions/2"));
}

}  // namespace
}  // namespace derin::cli
