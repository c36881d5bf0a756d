#include "client/cli/json_output.h"

#include <gtest/gtest.h>

#include <limits>
#include <sstream>

namespace derin::cli {
namespace {

TEST(JsonOutput, UsesTheApisNamesAndLeavesOutWhatIsUnset) {
  client::Corpus corpus;
  corpus.name = "corpora/a";
  corpus.normalization = client::Normalization::kD2lLetters;
  corpus.size_bytes = 5;
  EXPECT_EQ(ToJson(corpus).dump(),
            R"({"name":"corpora/a","normalization":"d2l-letters","size_bytes":5,)"
            R"("character_count":0,"vocabulary_size":0,"sha256":"","document_count":0})");
  corpus.documents.push_back({"one", 5, 4, 3});
  EXPECT_EQ(ToJson(corpus)["documents"].dump(),
            R"([{"name":"one","size_bytes":5,"character_count":4,"vocabulary_size":3}])");
}

TEST(JsonOutput, WritesTimesInUtcWithTheirFraction) {
  client::Corpus corpus;
  corpus.create_time = absl::FromUnixMillis(1714565000250);
  EXPECT_EQ(ToJson(corpus)["create_time"], "2024-05-01T12:03:20.25Z");
}

TEST(JsonOutput, WritesSeedsAsStringsSoThatNoReaderRoundsThem) {
  client::Session session;
  session.seed = std::numeric_limits<uint64_t>::max();
  EXPECT_EQ(ToJson(session)["seed"], "18446744073709551615");
}

TEST(JsonOutput, WritesAJobWithItsSpecAndProgress) {
  client::TrainingJob job;
  job.name = "trainingJobs/x";
  job.state = client::JobState::kRunning;
  job.spec.optimizer = client::Adam{.beta1 = 0.5};
  job.spec.config.cell = client::Cell::kGru;
  job.spec.config.precision = client::Precision::kBf16;
  job.spec.learning_rate.schedule = client::LearningRate::Schedule::kCosine;
  job.progress.emplace();
  job.progress->time_left = absl::Milliseconds(1500);
  job.progress->training_time = absl::Milliseconds(2500);
  job.spec.max_steps = 9;
  job.spec.max_training_time = absl::Seconds(90);
  job.spec.target_perplexity = 1.5;
  job.spec.patience_epochs = 3;
  job.spec.dropout = 0.25;
  const Json json = ToJson(job);
  EXPECT_EQ(json["state"], "running");
  EXPECT_EQ(json["spec"]["optimizer"].dump(), R"({"kind":"adam","beta1":0.5})");
  EXPECT_EQ(json["spec"]["config"]["cell"], "gru");
  EXPECT_EQ(json["spec"]["config"]["precision"], "bf16");
  EXPECT_EQ(json["spec"]["learning_rate"]["schedule"], "cosine");
  EXPECT_EQ(json["progress"]["time_left_seconds"], 1.5);
  EXPECT_FALSE(json.contains("reason"));
  EXPECT_FALSE(json["spec"].contains("seed"));
  EXPECT_EQ(json["progress"]["training_time_seconds"], 2.5);
  EXPECT_EQ(json["spec"]["max_steps"], 9);
  EXPECT_EQ(json["spec"]["max_training_time_seconds"], 90);
  EXPECT_EQ(json["spec"]["target_perplexity"], 1.5);
  EXPECT_EQ(json["spec"]["patience_epochs"], 3);
  EXPECT_EQ(json["spec"]["dropout"], 0.25);
  EXPECT_FALSE(ToJson(client::TrainingJob())["spec"].contains("max_training_time_seconds"));
}

TEST(JsonOutput, WritesWhatATrainingBeginsWith) {
  client::TrainingJob job;
  EXPECT_FALSE(ToJson(job)["spec"].contains("start_from"));
  job.spec.start_from = client::StartFrom{.training_checkpoint = "trainingJobs/a/checkpoints/7"};
  EXPECT_EQ(ToJson(job)["spec"]["start_from"].dump(),
            R"({"training_checkpoint":"trainingJobs/a/checkpoints/7","weights_only":false})");
}

TEST(JsonOutput, WritesAPointOfACurve) {
  client::TrainingMetrics point;
  point.step = 5;
  point.validation_perplexity = 2.5;
  EXPECT_EQ(ToJson(point).dump(),
            R"({"step":5,"attempt":0,"epochs_done":0,"tokens":0,"training_loss":0.0,)"
            R"("training_perplexity":0.0,"validation_perplexity":2.5,"learning_rate":0.0,)"
            R"("gradient_norm":0.0,"tokens_per_second":0.0})");
}

TEST(JsonOutput, WritesTheStartAndEndOfAText) {
  client::GenerateStart start;
  start.unknown_characters = {"é"};
  EXPECT_EQ(ToJson(start)["unknown_characters"].dump(), R"(["é"])");
  EXPECT_FALSE(ToJson(start).contains("session"));
  EXPECT_EQ(ToJson(start)["engine_changed"], false);
  client::GenerateEnd end;
  end.finish_reason = client::FinishReason::kServerStopping;
  end.first_token_time = absl::Milliseconds(12);
  EXPECT_EQ(ToJson(end)["finish_reason"], "server-stopping");
  EXPECT_EQ(ToJson(end)["first_token_seconds"], 0.012);
}

TEST(JsonOutput, WritesTheServersFigures) {
  client::ServerInfo info;
  info.load.sessions = 3;
  info.limits.corpus_bytes = 7;
  info.device.precisions = {client::Precision::kF32, client::Precision::kBf16};
  info.device.instructions = "avx512-bf16";
  info.device.threads = 2;
  EXPECT_EQ(ToJson(info)["load"]["sessions"], 3);
  EXPECT_EQ(ToJson(info)["limits"]["corpus_bytes"], 7);
  EXPECT_EQ(ToJson(info)["device"]["precisions"].dump(), R"(["f32","bf16"])");
  EXPECT_EQ(ToJson(info)["device"]["instructions"], "avx512-bf16");
  EXPECT_EQ(ToJson(info)["device"]["threads"], 2);
  EXPECT_EQ(ToJson(client::ServerInfo())["device"]["precisions"].dump(), "[]");
}

TEST(JsonOutput, PutsAListUnderItsName) {
  EXPECT_EQ(ListToJson("models", std::vector<client::Model>()).dump(), R"({"models":[]})");
  EXPECT_EQ(ListToJson("models", std::vector<client::Model>(2))["models"].size(), 2u);
}

TEST(JsonOutput, WritesOneLineEachOrOneIndentedDocument) {
  std::ostringstream out;
  PrintLine({{"text", "a\nb"}}, out);
  PrintDocument({{"a", 1}}, out);
  EXPECT_EQ(out.str(), "{\"text\":\"a\\nb\"}\n{\n  \"a\": 1\n}\n");
}

TEST(JsonOutput, SurvivesBytesThatAreNotUtf8) {
  std::ostringstream out;
  PrintLine({{"text", "\xff"}}, out);
  EXPECT_EQ(out.str(), "{\"text\":\"\xef\xbf\xbd\"}\n");
}

TEST(JsonOutput, AJobHasItsWordsWhereItHasSome) {
  client::TrainingJob job;
  EXPECT_FALSE(ToJson(job)["spec"].contains("words"));
  job.spec.config.tokenization = client::Tokenization::kWords;
  job.spec.words = client::WordSettings{.max_vocabulary = 10000, .min_count = 2};
  EXPECT_EQ(ToJson(job)["spec"]["words"].dump(), R"({"max_vocabulary":10000,"min_count":2})");
  EXPECT_EQ(ToJson(job)["spec"]["config"]["tokenization"], "words");
}

}  // namespace
}  // namespace derin::cli
