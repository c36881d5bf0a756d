#include "derin/internal/conversion.h"

#include <gtest/gtest.h>

#include "tests/client/derin/internal/filled_message.h"

namespace derin::client::internal {
namespace {

TEST(Conversion, KnowsEveryEnumValueOfTheApi) {
  v1::ModelConfig config;
  for (int cell = 1; v1::Cell_IsValid(cell); ++cell) {
    config.set_cell(static_cast<v1::Cell>(cell));
    EXPECT_NE(FromProto(config).cell, Cell::kUnspecified) << cell;
  }
  for (int tokenization = 1; v1::Tokenization_IsValid(tokenization); ++tokenization) {
    config.set_tokenization(static_cast<v1::Tokenization>(tokenization));
    EXPECT_NE(FromProto(config).tokenization, Tokenization::kUnspecified) << tokenization;
  }
  for (int precision = 1; v1::Precision_IsValid(precision); ++precision) {
    config.set_precision(static_cast<v1::Precision>(precision));
    EXPECT_NE(FromProto(config).precision, Precision::kUnspecified) << precision;
  }
  v1::Corpus corpus;
  for (int normalization = 1; v1::Normalization_IsValid(normalization); ++normalization) {
    corpus.set_normalization(static_cast<v1::Normalization>(normalization));
    EXPECT_NE(FromProto(corpus).normalization, Normalization::kUnspecified) << normalization;
  }
  v1::GenerateEnd end;
  for (int reason = 1; v1::FinishReason_IsValid(reason); ++reason) {
    end.set_finish_reason(static_cast<v1::FinishReason>(reason));
    EXPECT_NE(FromProto(end).finish_reason, FinishReason::kUnspecified) << reason;
  }
}

TEST(Conversion, LeavesOptionalFiguresOfProgressUnset) {
  const TrainingProgress progress = FromProto(v1::TrainingProgress());
  EXPECT_EQ(progress.epoch_training_perplexity, std::nullopt);
  EXPECT_EQ(progress.validation_perplexity, std::nullopt);
  EXPECT_EQ(progress.time_left, std::nullopt);
  EXPECT_EQ(progress.training_time, std::nullopt);
  EXPECT_EQ(FromProto(v1::TrainingJob()).progress, std::nullopt);
}

TEST(Conversion, ReadsCorporaModelsAndSessions) {
  const auto corpus = Filled<v1::Corpus>();
  EXPECT_EQ(FromProto(corpus).sha256, corpus.sha256());
  EXPECT_EQ(FromProto(corpus).vocabulary_size, corpus.vocabulary_size());
  const auto model = Filled<v1::Model>();
  const v1::ModelVersion& latest = model.latest_version();
  const ModelVersion version = *FromProto(model).latest_version;
  EXPECT_EQ(FromProto(model).version_count, model.version_count());
  EXPECT_EQ(version.training_job, latest.training_job());
  EXPECT_EQ(version.validation_perplexity, latest.validation_perplexity());
  EXPECT_EQ(version.config.hidden, latest.config().hidden());
  EXPECT_EQ(version.sha256, latest.sha256());
  EXPECT_EQ(FromProto(v1::Model()).latest_version, std::nullopt);
  const auto session = Filled<v1::Session>();
  EXPECT_EQ(FromProto(session).seed, session.seed());
  EXPECT_EQ(FromProto(session).engine_id, session.engine_id());
  EXPECT_EQ(FromProto(session).stream, session.stream());
  EXPECT_EQ(absl::ToUnixSeconds(*FromProto(session).idle_since), session.idle_since().seconds());
  EXPECT_EQ(FromProto(v1::Session()).idle_since, std::nullopt);
}

TEST(Conversion, ReadsAGenerationsStartAndEnd) {
  auto start = Filled<v1::GenerateStart>();
  start.add_unknown_characters("é");
  EXPECT_EQ(FromProto(start).unknown_characters, std::vector<std::string>{"é"});
  EXPECT_EQ(FromProto(start).unknown_count, start.unknown_count());
  EXPECT_EQ(FromProto(start).position, start.position());
  EXPECT_EQ(FromProto(start).engine_id, start.engine_id());
  EXPECT_TRUE(FromProto(start).engine_changed);
  const auto end = Filled<v1::GenerateEnd>();
  EXPECT_EQ(FromProto(end).position, end.position());
  EXPECT_EQ(FromProto(end).first_token_time, absl::Seconds(end.first_token_time().seconds()) +
                                                 absl::Nanoseconds(end.first_token_time().nanos()));
  EXPECT_EQ(FromProto(end).tokens_per_second, end.tokens_per_second());
  EXPECT_EQ(FromProto(end).stop_string, end.stop_string());
  EXPECT_EQ(FromProto(end).stop_token, end.stop_token());
  EXPECT_EQ(FromProto(end).prompt_time, absl::Seconds(end.prompt_time().seconds()) +
                                            absl::Nanoseconds(end.prompt_time().nanos()));
  EXPECT_EQ(FromProto(v1::GenerateEnd()).stop_token, std::nullopt);
}

TEST(Conversion, ReadsTheServersDeviceLoadAndLimits) {
  auto proto = Filled<v1::ServerInfo>();
  proto.mutable_device()->add_precisions(v1::PRECISION_F32);
  proto.mutable_device()->add_precisions(v1::PRECISION_BF16);
  const ServerInfo info = FromProto(proto);
  EXPECT_EQ(info.server_id, proto.server_id());
  EXPECT_EQ(info.device.description, proto.device().description());
  EXPECT_EQ(info.device.backend, proto.device().backend());
  EXPECT_EQ(info.device.engine_id, proto.device().engine_id());
  EXPECT_EQ(info.device.free_bytes, proto.device().free_bytes());
  EXPECT_EQ(info.device.total_bytes, proto.device().total_bytes());
  EXPECT_EQ(info.device.failure, proto.device().failure());
  EXPECT_EQ(info.device.precisions, (std::vector{Precision::kF32, Precision::kBf16}));
  EXPECT_EQ(info.device.instructions, proto.device().instructions());
  EXPECT_EQ(info.device.threads, proto.device().threads());
  EXPECT_EQ(info.load.queued_training_jobs, proto.load().queued_training_jobs());
  EXPECT_EQ(info.limits.running_training_jobs, proto.limits().running_training_jobs());
  EXPECT_EQ(info.load.generated_tokens_per_second, proto.load().generated_tokens_per_second());
  EXPECT_EQ(info.limits.generate_streams, proto.limits().generate_streams());
  EXPECT_EQ(info.limits.prompt_bytes, proto.limits().prompt_bytes());
}

TEST(Conversion, WritesAllOfAGenerateRequest) {
  GenerateOptions options;
  options.model = "models/a";
  options.prompt = "x";
  options.max_tokens = 5;
  options.sampling = {.temperature = 0,
                      .top_k = 1,
                      .top_p = 0.5,
                      .allow_unknown = true,
                      .min_p = 0.25,
                      .typical_p = 0.75,
                      .repetition_penalty = 1.5,
                      .presence_penalty = 2,
                      .frequency_penalty = 3,
                      .penalty_window = 4,
                      .logit_bias = {{5, -1.0}},
                      .allowed_tokens = {6, 7},
                      .banned_tokens = {8},
                      .allowed_texts = {"the"},
                      .banned_texts = {"a", "b"}};
  options.seed = 0;
  options.per_token = true;
  options.echo = true;
  options.min_tokens = 3;
  options.stop_strings = {"a", "b"};
  options.stop_tokens = {9};
  options.include_stop = true;
  options.log_probabilities = 0;
  options.expected_position = 0;
  options.open_session = true;
  options.time_budget = absl::Milliseconds(1500);
  options.message_interval = absl::Milliseconds(5);
  const v1::GenerateRequest request = ToProto(options);
  EXPECT_EQ(request.model(), "models/a");
  EXPECT_EQ(request.prompt(), "x");
  EXPECT_EQ(request.max_tokens(), 5);
  EXPECT_TRUE(request.sampling().has_temperature());
  EXPECT_EQ(request.sampling().top_k(), 1);
  EXPECT_EQ(request.sampling().top_p(), 0.5);
  EXPECT_TRUE(request.sampling().allow_unknown());
  EXPECT_EQ(request.sampling().min_p(), 0.25);
  EXPECT_EQ(request.sampling().typical_p(), 0.75);
  EXPECT_EQ(request.sampling().repetition_penalty(), 1.5);
  EXPECT_EQ(request.sampling().presence_penalty(), 2);
  EXPECT_EQ(request.sampling().frequency_penalty(), 3);
  EXPECT_EQ(request.sampling().penalty_window(), 4);
  EXPECT_EQ(request.sampling().logit_bias().at(5), -1.0);
  EXPECT_EQ(request.sampling().allowed_tokens_size(), 2);
  EXPECT_EQ(request.sampling().banned_tokens(0), 8);
  EXPECT_EQ(request.sampling().allowed_texts(0), "the");
  EXPECT_EQ(request.sampling().banned_texts(1), "b");
  EXPECT_TRUE(request.echo());
  EXPECT_EQ(request.min_tokens(), 3);
  EXPECT_EQ(request.stop_strings_size(), 2);
  EXPECT_EQ(request.stop_strings(1), "b");
  EXPECT_EQ(request.stop_tokens(0), 9);
  EXPECT_TRUE(request.include_stop());
  EXPECT_TRUE(request.has_log_probabilities());
  EXPECT_TRUE(request.has_expected_position());
  EXPECT_TRUE(request.open_session());
  EXPECT_EQ(request.time_budget().seconds(), 1);
  EXPECT_EQ(request.time_budget().nanos(), 500'000'000);
  EXPECT_EQ(request.message_interval().nanos(), 5'000'000);
  EXPECT_EQ(ToProto(GenerateOptions{.prompt_bytes = "\xff"}).prompt_bytes(), "\xff");
  EXPECT_EQ(ToProto(GenerateOptions{.prompt_tokens = {1, 2}}).prompt_tokens().tokens_size(), 2);
  EXPECT_TRUE(request.has_seed());
  EXPECT_TRUE(request.per_token());
  EXPECT_FALSE(ToProto(GenerateOptions{.session = "sessions/1"}).has_max_tokens());
  EXPECT_EQ(ToProto(GenerateOptions{.session = "sessions/1"}).session(), "sessions/1");
}

}  // namespace
}  // namespace derin::client::internal
