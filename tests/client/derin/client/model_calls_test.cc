#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "derin/client/client.h"
#include "tests/client/fake_server.h"

namespace derin::client {
namespace {

using ::derin::testing::Refusal;
using ::testing::ElementsAre;

class ModelCalls : public ::testing::Test {
 protected:
  ModelCalls() : client_(*Client::Connect({.address = server_.address()})) {}

  testing::FakeServer server_;
  std::unique_ptr<Client> client_;
};

TEST_F(ModelCalls, ReadsAModelWithItsAliases) {
  server_.answers().get_model = [](const v1::GetModelRequest& request, v1::Model& model) {
    model.set_name(request.name());
    v1::ModelAlias& alias = *model.add_aliases();
    alias.set_name("models/a/aliases/stable");
    alias.set_model_version("models/a/versions/3");
    alias.mutable_update_time()->set_seconds(7);
    return grpc::Status::OK;
  };
  const auto model = client_->GetModel("models/a");
  ASSERT_TRUE(model.ok()) << model.status();
  ASSERT_EQ(model->aliases.size(), 1);
  EXPECT_EQ(model->aliases[0].name, "models/a/aliases/stable");
  EXPECT_EQ(model->aliases[0].model_version, "models/a/versions/3");
  EXPECT_EQ(model->aliases[0].update_time, absl::FromUnixSeconds(7));
  EXPECT_FALSE(model->aliases[0].create_time.has_value());
}

TEST_F(ModelCalls, ListsAllVersionsAcrossPages) {
  server_.answers().list_model_versions = [](const v1::ListModelVersionsRequest& request,
                                             v1::ListModelVersionsResponse& response) {
    EXPECT_EQ(request.parent(), "models/a");
    const bool first = request.page_token().empty();
    response.add_model_versions()->set_name(first ? "models/a/versions/2" : "models/a/versions/1");
    if (first) response.set_next_page_token("more");
    return grpc::Status::OK;
  };
  const auto versions = client_->ListModelVersions("models/a");
  ASSERT_TRUE(versions.ok()) << versions.status();
  std::vector<std::string> names;
  for (const ModelVersion& version : *versions) names.push_back(version.name);
  EXPECT_THAT(names, ElementsAre("models/a/versions/2", "models/a/versions/1"));
}

TEST_F(ModelCalls, NamesWhatItAsksFor) {
  server_.answers().get_model_version = [](const v1::GetModelVersionRequest& request,
                                           v1::ModelVersion& version) {
    EXPECT_EQ(request.name(), "models/a/aliases/stable");
    version.set_name("models/a/versions/3");
    return grpc::Status::OK;
  };
  EXPECT_EQ(client_->GetModelVersion("models/a/aliases/stable")->name, "models/a/versions/3");

  server_.answers().set_model_alias = [](const v1::SetModelAliasRequest& request,
                                         v1::ModelAlias& alias) {
    EXPECT_EQ(request.model_version(), "models/a");
    alias.set_name(request.name());
    return grpc::Status::OK;
  };
  EXPECT_EQ(client_->SetModelAlias("models/a/aliases/stable", "models/a")->name,
            "models/a/aliases/stable");

  server_.answers().delete_model_alias = [](const v1::DeleteModelAliasRequest&, auto&) {
    return Refusal{.code = grpc::StatusCode::NOT_FOUND, .reason = "MODEL_ALIAS_NOT_FOUND"}.ToGrpc();
  };
  EXPECT_EQ(ErrorReason(client_->DeleteModelAlias("models/a/aliases/x")), "MODEL_ALIAS_NOT_FOUND");
}

TEST_F(ModelCalls, DeletesByForceOnlyWhenAsked) {
  std::vector<bool> forced;
  server_.answers().delete_model = [&](const v1::DeleteModelRequest& request, auto&) {
    EXPECT_EQ(request.name(), "models/a");
    forced.push_back(request.force());
    return grpc::Status::OK;
  };
  server_.answers().delete_model_version = [&](const v1::DeleteModelVersionRequest& request,
                                               auto&) {
    EXPECT_EQ(request.name(), "models/a/versions/1");
    forced.push_back(request.force());
    return grpc::Status::OK;
  };
  EXPECT_TRUE(client_->DeleteModel("models/a").ok());
  EXPECT_TRUE(client_->DeleteModel("models/a", true).ok());
  EXPECT_TRUE(client_->DeleteModelVersion("models/a/versions/1").ok());
  EXPECT_TRUE(client_->DeleteModelVersion("models/a/versions/1", true).ok());
  EXPECT_THAT(forced, ElementsAre(false, true, false, true));
}

}  // namespace
}  // namespace derin::client
