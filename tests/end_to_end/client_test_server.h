#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "derin/client/client.h"
#include "gmock/gmock.h"
#include "tests/end_to_end/server_test.h"

namespace derin::server {

// Tests of a whole server through the real client.
class ClientTest : public ServerTest {
 protected:
  void SetUp() override {
    StartServer();
    Connect();
  }
  void Connect() {
    auto connected = client::Client::Connect({.address = server_->address()});
    ASSERT_TRUE(connected.ok()) << connected.status();
    client_ = *std::move(connected);
  }

  // A text that a small model can learn.
  static std::string Text() {
    std::string text;
    for (int i = 0; i < 120; ++i) text += "the sea is calm and the lamp is lit. ";
    return text;
  }
  void Upload(const std::string& id) {
    const auto corpus = client_->UploadCorpus({.corpus_id = id}, client::TextSource(Text()));
    ASSERT_TRUE(corpus.ok()) << corpus.status();
  }
  // A training of a second or less.
  static client::TrainingSpec SmallSpec() {
    client::TrainingSpec spec;
    spec.corpus = "corpora/sea";
    spec.model = "models/sea";
    spec.config.layers = 1;
    spec.config.hidden = 24;
    spec.batch = 8;
    spec.steps = 20;
    spec.optimizer = client::Adam{};
    spec.learning_rate.peak = 0.01;
    spec.epochs = 6;
    spec.seed = 1;
    return spec;
  }
  // Trains until the end; the job as it is then.
  client::TrainingJob Train(const client::TrainingSpec& spec) {
    const auto job = client_->CreateTrainingJob(spec);
    EXPECT_TRUE(job.ok()) << job.status();
    EXPECT_TRUE(client_->WatchTrainingJob(job->name, {}, {}).ok());
    return *client_->GetTrainingJob(job->name);
  }
  void TrainModel() {
    Upload("sea");
    ASSERT_EQ(Train(SmallSpec()).state, client::JobState::kSucceeded);
  }

  struct Generated {
    std::string text;
    std::vector<int32_t> tokens;
    client::GenerateStart start;
    absl::StatusOr<client::GenerateEnd> end;
  };
  Generated Generate(const client::GenerateOptions& options) {
    Generated generated;
    generated.end = client_->Generate(
        options, {.start =
                      [&](const client::GenerateStart& start) {
                        generated.start = start;
                        return true;
                      },
                  .text =
                      [&](std::string_view text, const std::vector<int32_t>& tokens) {
                        generated.text += text;
                        generated.tokens.insert(generated.tokens.end(), tokens.begin(),
                                                tokens.end());
                        return true;
                      }});
    return generated;
  }

  std::unique_ptr<client::Client> client_;
};

}  // namespace derin::server
