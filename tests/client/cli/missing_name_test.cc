#include "client/cli/missing_name.h"

#include <gtest/gtest.h>

#include "tests/client/fake_server.h"

namespace derin::cli {
namespace {

using testing::Message;

class MissingName : public ::testing::Test {
 protected:
  MissingName() : client_(*client::Client::Connect({.address = server_.address()})) {}

  void AnswerModels(std::vector<std::string> names) {
    server_.answers().list_models = [names](const auto&, v1::ListModelsResponse& response) {
      for (const std::string& name : names) response.add_models()->set_name(name);
      return grpc::Status::OK;
    };
  }

  testing::FakeServer server_;
  std::unique_ptr<client::Client> client_;
  const absl::Status not_found_ = absl::NotFoundError("there is no such model");
};

TEST_F(MissingName, ProposesTheNearestNameThereIs) {
  AnswerModels({"models/books", "models/timemachine"});
  EXPECT_EQ(Message(WithNearestModel(not_found_, "models/timemachne", *client_)),
            "there is no such model, did you mean 'timemachine'?");
  EXPECT_EQ(Message(WithNearestModel(not_found_, "bokos/versions/3", *client_)),
            "there is no such model, did you mean 'books'?");
}

TEST_F(MissingName, SaysThatThereAreNone) {
  AnswerModels({});
  EXPECT_EQ(Message(WithNearestModel(not_found_, "a", *client_)),
            "there is no such model (there are none yet)");
}

TEST_F(MissingName, ProposesNothingWhenTheNameItselfIsThere) {
  AnswerModels({"models/books"});
  EXPECT_EQ(WithNearestModel(not_found_, "models/books/versions/9", *client_), not_found_);
}

TEST_F(MissingName, ProposesTheNearestAliasOfAModelThatIsThere) {
  server_.answers().list_models = [](const auto&, v1::ListModelsResponse& response) {
    v1::Model& model = *response.add_models();
    model.set_name("models/books");
    model.add_aliases()->set_name("models/books/aliases/stable");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Message(WithNearestModel(not_found_, "books/aliases/stabel", *client_)),
            "there is no such model, did you mean 'stable'?");
  EXPECT_EQ(Message(WithNearestModel(not_found_, "bokos/aliases/stable", *client_)),
            "there is no such model, did you mean 'books'?");
}

TEST_F(MissingName, AsksOnlyWhenANameIsMissing) {
  AnswerModels({"models/books"});
  const absl::Status busy = absl::AbortedError("busy");
  EXPECT_EQ(WithNearestModel(busy, "bokos", *client_), busy);
  EXPECT_TRUE(WithNearestModel(absl::OkStatus(), "bokos", *client_).ok());
}

TEST_F(MissingName, KeepsTheErrorWhenTheListCannotBeHad) {
  EXPECT_EQ(WithNearestModel(not_found_, "bokos", *client_), not_found_);
}

TEST_F(MissingName, KnowsCorporaAndJobsToo) {
  server_.answers().list_corpora = [](const auto&, v1::ListCorporaResponse& response) {
    response.add_corpora()->set_name("corpora/alice");
    return grpc::Status::OK;
  };
  server_.answers().list_training_jobs = [](const auto&, v1::ListTrainingJobsResponse& response) {
    response.add_training_jobs()->set_name("trainingJobs/first-run");
    return grpc::Status::OK;
  };
  const absl::Status gone = absl::NotFoundError("gone");
  EXPECT_EQ(Message(WithNearestCorpus(gone, "corpora/alcie", *client_)),
            "gone, did you mean 'alice'?");
  EXPECT_EQ(Message(WithNearestJob(gone, "first-rnu", *client_)),
            "gone, did you mean 'first-run'?");
}

}  // namespace
}  // namespace derin::cli
