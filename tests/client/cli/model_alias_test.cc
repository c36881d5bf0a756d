#include "tests/client/cli/command_test.h"

namespace derin::cli {
namespace {

using ::testing::HasSubstr;

using ModelAliasCommand = CommandTest;

TEST_F(ModelAliasCommand, SetTakesANumberAnAliasOrTheLatest) {
  std::string target;
  answers().set_model_alias = [&target](const v1::SetModelAliasRequest& request,
                                        v1::ModelAlias& alias) {
    target = request.model_version();
    alias.set_name(request.name());
    alias.set_model_version("models/tm/versions/3");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"models", "alias", "set", "tm", "stable", "3"}).out,
            "models/tm/aliases/stable is models/tm/versions/3\n");
  EXPECT_EQ(target, "models/tm/versions/3");
  EXPECT_EQ(Run({"models", "alias", "set", "models/tm", "stable", "canary"}).status, 0);
  EXPECT_EQ(target, "models/tm/aliases/canary");
  EXPECT_THAT(Run({"models", "alias", "set", "tm", "stable", "--json"}).out,
              HasSubstr("\"model_version\": \"models/tm/versions/3\""));
  EXPECT_EQ(target, "models/tm");
}

TEST_F(ModelAliasCommand, DeleteProposesTheNearestAlias) {
  answers().delete_model_alias = [](const v1::DeleteModelAliasRequest& request, auto&) {
    if (request.name() == "models/tm/aliases/stable") return grpc::Status::OK;
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such alias");
  };
  answers().list_models = [](const auto&, v1::ListModelsResponse& response) {
    v1::Model& model = *response.add_models();
    model.set_name("models/tm");
    model.add_aliases()->set_name("models/tm/aliases/stable");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"models", "alias", "delete", "tm", "stable"}).out,
            "deleted models/tm/aliases/stable\n");
  EXPECT_THAT(Run({"models", "alias", "delete", "tm", "stable", "--json"}).out,
              HasSubstr("\"deleted\": \"models/tm/aliases/stable\""));
  const Result missing = Run({"models", "alias", "delete", "tm", "stabel"});
  EXPECT_EQ(missing.status, 1);
  EXPECT_THAT(missing.err, HasSubstr("no such alias, did you mean 'stable'?"));
}

TEST_F(ModelAliasCommand, WithoutASubcommandItShowsItsOwnHelp) {
  EXPECT_THAT(Run({"models", "alias", "--help"}).out, HasSubstr("alias set timemachine stable 3"));
  EXPECT_EQ(Run({"models", "alias", "set", "tm"}).status, 2);
}

}  // namespace
}  // namespace derin::cli
