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

TEST_F(ModelCalls, ExportHandsOnTheFileAndSaysWhatItIs) {
  int64_t size_bytes = 8;
  server_.answers().export_model = [&](auto&, const v1::ExportModelRequest& request,
                                       grpc::ServerWriter<v1::ExportModelResponse>& writer) {
    v1::ExportModelResponse first;
    first.mutable_model_version()->set_name("models/a/versions/3");
    first.mutable_model_version()->set_size_bytes(size_bytes);
    EXPECT_EQ(request.name(), "models/a");
    writer.Write(first);
    for (const char* chunk : {"some", "file"}) {
      v1::ExportModelResponse response;
      response.set_chunk(chunk);
      writer.Write(response);
    }
    return grpc::Status::OK;
  };
  std::string file;
  const auto sink = [&file](std::string_view bytes) {
    file += bytes;
    return absl::OkStatus();
  };
  const auto version = client_->ExportModel("models/a", sink);
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(version->name, "models/a/versions/3");
  EXPECT_EQ(file, "somefile");

  const absl::Status full = absl::ResourceExhaustedError("the disk is full");
  EXPECT_EQ(client_->ExportModel("models/a", [&](std::string_view) { return full; }).status(),
            full);
  size_bytes = 9;
  EXPECT_EQ(client_->ExportModel("models/a", sink).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(ModelCalls, ImportSendsTheHeaderAndThenTheFile) {
  std::string file(600'000, 'x');
  server_.answers().import_model = [&](auto&, grpc::ServerReader<v1::ImportModelRequest>& reader,
                                       v1::ModelVersion& version) {
    v1::ImportModelRequest request;
    EXPECT_TRUE(reader.Read(&request));
    EXPECT_EQ(request.header().model(), "models/a");
    EXPECT_EQ(request.header().sha256(), "abc");
    std::string got;
    while (reader.Read(&request)) got += request.chunk();
    EXPECT_EQ(got, file);
    version.set_name("models/a/versions/1");
    return grpc::Status::OK;
  };
  const client::ImportModelOptions options{.model = "models/a", .sha256 = "abc"};
  const auto version = client_->ImportModel(options, TextSource(file));
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(version->name, "models/a/versions/1");
}

TEST_F(ModelCalls, ImportEndsWithTheErrorOfItsSource) {
  server_.answers().import_model = [](auto&, grpc::ServerReader<v1::ImportModelRequest>& reader,
                                      auto&) {
    v1::ImportModelRequest request;
    while (reader.Read(&request)) {
    }
    return grpc::Status::CANCELLED;
  };
  const absl::Status unreadable = absl::UnavailableError("cannot read");
  const auto source = [&](absl::Span<char>) -> absl::StatusOr<size_t> { return unreadable; };
  EXPECT_EQ(client_->ImportModel({.model = "models/a"}, source).status(), unreadable);
}

}  // namespace
}  // namespace derin::client
