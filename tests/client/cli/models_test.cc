#include "tests/client/cli/command_test.h"

namespace derin::cli {
namespace {

using ::testing::HasSubstr;

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
}

using ModelsCommand = CommandTest;

TEST_F(ModelsCommand, ListShowsTheLatestVersions) {
  answers().list_models = [](const auto&, v1::ListModelsResponse& response) {
    Fill(*response.add_models());
    response.add_models()->set_name("models/young");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"models", "list"}).out,
            "NAME   VERSIONS  NETWORK      PARAMETERS  PERPLEXITY  VALIDATION  PUBLISHED\n"
            "tm            2  gru 2 x 256     612,124        1.05           -  -\n"
            "young         0  -                     -           -           -  -\n");
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

}  // namespace
}  // namespace derin::cli
