#include <map>
#include <set>
#include <thread>

#include "model/backend/backend_list.h"
#include "server/registry/model_registry.h"
#include "server/storage/data_directory.h"
#include "tests/end_to_end/breakable_relay.h"
#include "tests/end_to_end/client_test_server.h"
#include "tests/server/storage/stored_resources.h"

namespace derin::server {
namespace {

using client::ErrorField;
using client::ErrorReason;
using client::FinishReason;
using testing::ElementsAre;

class GenerationTest : public ClientTest {
 protected:
  void SetUp() override {
    ClientTest::SetUp();
    TrainModel();
  }

  // Publishes the model once more, as if it had been trained in bf16; while no server runs.
  void PublishInBf16() {
    const auto directory = DataDirectory::Open(options_.data_directory);
    ASSERT_TRUE(directory.ok()) << directory.status();
    const auto store = *MetadataStore::Open(directory->metadata_file());
    BlobStore blobs(directory->blobs());
    const auto version = store->GetModelVersion({"sea", 1});
    ASSERT_TRUE(version.ok()) << version.status();
    ModelFile file = *DecodeModelFile(*blobs.Read(version->sha256()));
    file.config.precision = Precision::kBf16;
    NewTrainingJob job = TestJob("bf16", "sea");
    job.update.job.mutable_spec()->set_corpus("corpora/sea");
    ASSERT_TRUE(store->InsertTrainingJob(job).ok());
    const auto backend = *NewBackend("reference");
    ModelRegistry registry(*backend, *store, blobs, {});
    auto written = registry.Write(file, *version);
    ASSERT_TRUE(written.ok()) << written.status();
    const auto published = registry.Publish(
        *std::move(written), InState(job.update.job, v1::TrainingJob::STATE_SUCCEEDED));
    ASSERT_TRUE(published.ok()) << published.status();
  }
};

TEST_F(GenerationTest, StreamsTextOfTheKindItWasTrainedOn) {
  const Generated generated =
      Generate({.model = "models/sea", .prompt = "the sea ", .max_tokens = 60, .seed = 1});
  ASSERT_TRUE(generated.end.ok()) << generated.end.status();
  EXPECT_EQ(generated.text.size(), 60u);
  EXPECT_EQ(generated.tokens.size(), 60u);
  EXPECT_EQ(generated.end->finish_reason, FinishReason::kLength);
  EXPECT_EQ(generated.end->prompt_tokens, 8);
  EXPECT_EQ(generated.end->position, 67);
  EXPECT_EQ(generated.start.model_version, "models/sea/versions/1");
  EXPECT_EQ(generated.start.seed, 1u);
  EXPECT_EQ(generated.start.session, "");
}

TEST_F(GenerationTest, AModelInAPrecisionThatTheDeviceLacksIsComputedInF32AndTheReplySaysSo) {
  client_.reset();
  StopServer();
  PublishInBf16();
  StartServer();
  Connect();
  EXPECT_EQ(client_->GetModel("models/sea")->latest_version->config.precision,
            client::Precision::kBf16);
  client::GenerateOptions options{.prompt = "the ", .max_tokens = 40, .seed = 5};
  options.model = "models/sea/versions/1";
  const auto f32 = Generate(options);
  options.model = "models/sea/versions/2";
  const auto bf16 = Generate(options);
  ASSERT_TRUE(bf16.end.ok()) << bf16.end.status();
  EXPECT_FALSE(f32.start.engine_changed);
  EXPECT_TRUE(bf16.start.engine_changed);
  EXPECT_EQ(bf16.start.engine_id, f32.start.engine_id);
  EXPECT_EQ(bf16.text, f32.text);
}

TEST_F(GenerationTest, TheSameSeedDrawsTheSameTextAndAnotherAnother) {
  const client::GenerateOptions options{.model = "models/sea", .prompt = "the ", .seed = 5};
  client::GenerateOptions other = options;
  other.seed = 6;
  const std::string text = Generate(options).text;
  EXPECT_EQ(Generate(options).text, text);
  EXPECT_NE(Generate(other).text, text);
}

TEST_F(GenerationTest, ASessionGoesOnWhereItsLastCallEnded) {
  const auto whole =
      Generate({.model = "models/sea", .prompt = "the ", .max_tokens = 40, .seed = 5});
  const auto session = client_->OpenSession("models/sea", {.seed = 5});
  ASSERT_TRUE(session.ok()) << session.status();
  const auto first = Generate({.session = session->name, .prompt = "the ", .max_tokens = 10});
  const auto second = Generate({.session = session->name, .max_tokens = 30});
  EXPECT_EQ(first.text + second.text, whole.text);
  EXPECT_EQ(second.start.position, 13);
  EXPECT_EQ(second.start.session, session->name);
  EXPECT_TRUE(client_->CloseSession(session->name).ok());
  EXPECT_EQ(ErrorReason(Generate({.session = session->name}).end.status()), "SESSION_NOT_FOUND");
}

TEST_F(GenerationTest, PenaltiesReachAcrossTheCallsOfASession) {
  const client::SamplingSettings sampling{.repetition_penalty = 1.4, .frequency_penalty = 0.3};
  const auto whole = Generate(
      {.model = "models/sea", .prompt = "the ", .max_tokens = 60, .sampling = sampling, .seed = 5});
  const auto session = client_->OpenSession("models/sea", {.seed = 5});
  std::string text;
  for (int call = 0; call < 6; ++call) {
    text += Generate({.session = session->name,
                      .prompt = call == 0 ? "the " : "",
                      .max_tokens = 10,
                      .sampling = sampling})
                .text;
  }
  EXPECT_EQ(text, whole.text);
  EXPECT_NE(text,
            Generate({.model = "models/sea", .prompt = "the ", .max_tokens = 60, .seed = 5}).text);
}

TEST_F(GenerationTest, OnlyAllowedTokensAreDrawn) {
  const auto generated =
      Generate({.model = "models/sea", .max_tokens = 100, .sampling = {.allowed_tokens = {2, 5}}});
  ASSERT_TRUE(generated.end.ok()) << generated.end.status();
  for (const int32_t token : generated.tokens) EXPECT_TRUE(token == 2 || token == 5) << token;
  const auto other =
      Generate({.model = "models/sea", .max_tokens = 100, .sampling = {.banned_tokens = {2, 5}}});
  for (const int32_t token : other.tokens) EXPECT_FALSE(token == 2 || token == 5) << token;
}

TEST_F(GenerationTest, AStopStringEndsTheTextWhereverCallsAreCut) {
  const client::GenerateOptions options{
      .model = "models/sea", .prompt = "the ", .max_tokens = 400, .seed = 5};
  const std::string whole = Generate(options).text;
  const std::string stop = whole.substr(150, 6);
  const std::string wanted = whole.substr(0, whole.find(stop));
  client::GenerateOptions stopping = options;
  stopping.stop_strings = {stop};
  const auto at_once = Generate(stopping);
  ASSERT_TRUE(at_once.end.ok()) << at_once.end.status();
  EXPECT_EQ(at_once.text, wanted);
  EXPECT_EQ(at_once.end->finish_reason, FinishReason::kStopString);
  EXPECT_EQ(at_once.end->stop_string, stop);
  stopping.include_stop = true;
  EXPECT_EQ(Generate(stopping).text, wanted + stop);

  const auto session = client_->OpenSession("models/sea", {.seed = 5});
  std::string text;
  client::GenerateOptions part{
      .session = session->name, .prompt = "the ", .max_tokens = 1, .stop_strings = {stop}};
  for (int call = 0; call < 400; ++call) {
    const auto generated = Generate(part);
    ASSERT_TRUE(generated.end.ok()) << generated.end.status();
    text += generated.text;
    part.prompt.clear();
    if (generated.end->finish_reason == FinishReason::kStopString) break;
  }
  EXPECT_EQ(text, wanted);
}

TEST_F(GenerationTest, EchoBringsThePromptBeforeTheText) {
  client::GenerateOptions options{
      .model = "models/sea", .prompt = "the sea ", .max_tokens = 20, .seed = 5};
  const auto plain = Generate(options);
  options.echo = true;
  const auto echoed = Generate(options);
  EXPECT_EQ(echoed.text, "the sea " + plain.text);
  EXPECT_EQ(echoed.tokens, plain.tokens);
}

TEST_F(GenerationTest, APromptOfTokensIsAsOneOfText) {
  const auto first = Generate({.model = "models/sea", .max_tokens = 5, .seed = 3});
  const auto text = Generate({.model = "models/sea", .prompt = first.text, .seed = 4});
  const auto tokens = Generate({.model = "models/sea", .prompt_tokens = first.tokens, .seed = 4});
  EXPECT_EQ(tokens.text, text.text);
}

TEST_F(GenerationTest, ATextEndsWhenItsTimeIsSpent) {
  const auto generated = Generate({.model = "models/sea",
                                   .max_tokens = 1'000'000,
                                   .time_budget = absl::Milliseconds(30),
                                   .message_interval = absl::Milliseconds(10)});
  ASSERT_TRUE(generated.end.ok()) << generated.end.status();
  EXPECT_EQ(generated.end->finish_reason, FinishReason::kTime);
  EXPECT_LT(generated.end->generated_tokens, 1'000'000);
}

TEST_F(GenerationTest, LogProbabilitiesComeForEachToken) {
  std::vector<int32_t> drawn;
  std::vector<client::DrawnLogProbability> rankings;
  const client::GenerateOptions options{.model = "models/sea",
                                        .prompt = "the ",
                                        .max_tokens = 50,
                                        .sampling = {.temperature = 0},
                                        .log_probabilities = 3};
  const auto end =
      client_->Generate(options, {.text =
                                      [&](std::string_view, const std::vector<int32_t>& tokens) {
                                        drawn.insert(drawn.end(), tokens.begin(), tokens.end());
                                        return true;
                                      },
                                  .log_probabilities =
                                      [&](const std::vector<client::DrawnLogProbability>& some) {
                                        rankings.insert(rankings.end(), some.begin(), some.end());
                                        return true;
                                      }});
  ASSERT_TRUE(end.ok()) << end.status();
  ASSERT_EQ(rankings.size(), 50u);
  for (size_t i = 0; i < drawn.size(); ++i) {
    const auto& most_probable = rankings[i].most_probable;
    ASSERT_EQ(most_probable.size(), 3u);
    EXPECT_EQ(most_probable[0].token, drawn[i]) << "at temperature 0";
    EXPECT_EQ(most_probable[0].log_probability, rankings[i].log_probability);
    EXPECT_LE(most_probable[2].log_probability, most_probable[1].log_probability);
    EXPECT_LE(rankings[i].log_probability, 0);
  }
  client::GenerateOptions plain = options;
  plain.log_probabilities.reset();
  EXPECT_EQ(Generate(plain).tokens, drawn);
}

TEST_F(GenerationTest, SessionsAreListedAndShownAlsoWhileTheyGenerate) {
  const auto first = client_->OpenSession("models/sea", {.seed = 5}),
             second = client_->OpenSession("models/sea");
  ASSERT_TRUE(Generate({.session = first->name, .prompt = "the ", .max_tokens = 10}).end.ok());
  const auto listed = client_->ListSessions();
  ASSERT_TRUE(listed.ok()) << listed.status();
  ASSERT_EQ(listed->size(), 2u);
  EXPECT_LT((*listed)[0].name, (*listed)[1].name);
  const auto shown = client_->GetSession(first->name);
  ASSERT_TRUE(shown.ok()) << shown.status();
  EXPECT_EQ(shown->position, 13);
  EXPECT_EQ(shown->seed, 5u);
  EXPECT_TRUE(shown->idle_since.has_value());
  bool seen = false;
  const auto end = client_->Generate(
      {.session = second->name, .max_tokens = 1'000'000},
      {.text = [&](std::string_view, const std::vector<int32_t>&) {
        const auto busy = client_->GetSession(second->name);
        EXPECT_TRUE(busy.ok()) << busy.status();
        EXPECT_EQ(busy->idle_since, std::nullopt);
        EXPECT_EQ(client_->ListSessions()->size(), 2u);
        EXPECT_EQ(ErrorReason(client_->ForkSession(second->name).status()), "SESSION_BUSY");
        seen = true;
        return false;
      }});
  EXPECT_TRUE(seen);
  ASSERT_TRUE(client_->CloseSession(first->name).ok());
  EXPECT_EQ(ErrorReason(client_->GetSession(first->name).status()), "SESSION_NOT_FOUND");
  EXPECT_EQ(client_->ListSessions()->size(), 1u);
}

TEST_F(GenerationTest, ACallMayOpenASessionThatStays) {
  const auto whole =
      Generate({.model = "models/sea", .prompt = "the ", .max_tokens = 40, .seed = 5});
  const auto first = Generate(
      {.model = "models/sea", .prompt = "the ", .max_tokens = 10, .seed = 5, .open_session = true});
  ASSERT_TRUE(first.end.ok()) << first.end.status();
  const auto second = Generate({.session = first.start.session, .max_tokens = 30});
  EXPECT_EQ(first.text + second.text, whole.text);
  EXPECT_EQ(client_->ListSessions()->size(), 1u);
  // A call that is refused leaves none behind.
  EXPECT_FALSE(
      Generate({.model = "models/sea", .stop_tokens = {500}, .open_session = true}).end.ok());
  EXPECT_EQ(client_->ListSessions()->size(), 1u);
}

TEST_F(GenerationTest, AForkGoesOnByItself) {
  const auto session = client_->OpenSession("models/sea", {.seed = 5});
  ASSERT_TRUE(Generate({.session = session->name, .prompt = "the ", .max_tokens = 10}).end.ok());
  const auto other = client_->ForkSession(session->name);
  const auto same = client_->ForkSession(session->name, {.same_stream = true});
  const auto seeded = client_->ForkSession(session->name, {.seed = 6, .same_stream = true});
  ASSERT_TRUE(other.ok() && same.ok() && seeded.ok()) << other.status() << same.status();
  EXPECT_EQ(other->position, 13);
  EXPECT_EQ(other->seed, 5u);
  EXPECT_NE(other->stream, 0u);
  EXPECT_NE(client_->ForkSession(session->name)->stream, other->stream);
  const auto text = [this](const std::string& name) {
    return Generate({.session = name, .max_tokens = 60, .sampling = {.temperature = 4}}).text;
  };
  const std::string forked = text(same->name), own = text(other->name);
  const std::string original = text(session->name);
  EXPECT_EQ(forked, original);
  EXPECT_NE(own, original);
  EXPECT_NE(text(seeded->name), original);
}

TEST_F(GenerationTest, ACallAtAnotherPositionThanExpectedIsRefusedWithBoth) {
  const auto session = client_->OpenSession("models/sea", {.seed = 5});
  ASSERT_TRUE(
      Generate(
          {.session = session->name, .prompt = "the ", .max_tokens = 10, .expected_position = 0})
          .end.ok());
  const absl::Status late =
      Generate({.session = session->name, .max_tokens = 10, .expected_position = 4}).end.status();
  EXPECT_EQ(late.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(late), "POSITION_MISMATCH");
  EXPECT_THAT(std::string(late.message()),
              testing::AllOf(testing::HasSubstr("got 4"), testing::HasSubstr("at 13")));
  EXPECT_TRUE(
      Generate({.session = session->name, .max_tokens = 1, .expected_position = 13}).end.ok());
}

TEST_F(GenerationTest, SessionsInParallelDrawWhatEachDrawsAlone) {
  std::vector<std::string> together(8);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < together.size(); ++i) {
    threads.emplace_back([&, i] {
      together[i] =
          Generate({.model = "models/sea", .prompt = "is ", .max_tokens = 200, .seed = i}).text;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < together.size(); ++i) {
    EXPECT_EQ(Generate({.model = "models/sea", .prompt = "is ", .max_tokens = 200, .seed = i}).text,
              together[i])
        << "seed " << i;
  }
}

TEST_F(GenerationTest, PerTokenSendsAMessageForEachToken) {
  int messages = 0;
  const auto end =
      client_->Generate({.model = "models/sea", .max_tokens = 12, .per_token = true},
                        {.text = [&](std::string_view, const std::vector<int32_t>& tokens) {
                          EXPECT_EQ(tokens.size(), 1u);
                          return ++messages > 0;
                        }});
  EXPECT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(messages, 12);
}

TEST_F(GenerationTest, CharactersThatTheVocabularyLacksAreReportedNotRefused) {
  const auto generated =
      Generate({.model = "models/sea", .prompt = "the Ünder Sea", .max_tokens = 3});
  ASSERT_TRUE(generated.end.ok()) << generated.end.status();
  EXPECT_EQ(generated.start.unknown_count, 3);
  EXPECT_THAT(generated.start.unknown_characters, ElementsAre("Ü", "r", "S"));
}

TEST_F(GenerationTest, AnEmptyPromptStartsFromNothing) {
  const auto generated = Generate({.model = "models/sea", .max_tokens = 20});
  ASSERT_TRUE(generated.end.ok()) << generated.end.status();
  EXPECT_EQ(generated.text.size(), 20u);
}

TEST_F(GenerationTest, AClientThatLeavesFreesTheSession) {
  const auto session = client_->OpenSession("models/sea");
  int messages = 0;
  const auto end = client_->Generate(
      {.session = session->name, .max_tokens = 1'000'000},
      {.text = [&](std::string_view, const std::vector<int32_t>&) { return ++messages < 3; }});
  EXPECT_EQ(end.status().code(), absl::StatusCode::kCancelled);
  // The server notices when the transport tells it: until then the session is busy.
  absl::Status next = absl::AbortedError("");
  while (next.code() == absl::StatusCode::kAborted) {
    next = Generate({.session = session->name, .max_tokens = 2}).end.status();
  }
  EXPECT_TRUE(next.ok()) << next;
}

TEST_F(GenerationTest, ASecondCallInABusySessionIsAbortedAndClosingEndsTheFirst) {
  const auto session = client_->OpenSession("models/sea");
  bool tried = false;
  const auto end = client_->Generate({.session = session->name, .max_tokens = 1'000'000},
                                     {.text = [&](std::string_view, const std::vector<int32_t>&) {
                                       if (!tried) {
                                         tried = true;
                                         const absl::Status second =
                                             Generate({.session = session->name}).end.status();
                                         EXPECT_EQ(second.code(), absl::StatusCode::kAborted);
                                         EXPECT_EQ(ErrorReason(second), "SESSION_BUSY");
                                         EXPECT_TRUE(client_->CloseSession(session->name).ok());
                                       }
                                       return true;
                                     }});
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->finish_reason, FinishReason::kSessionClosed);
}

TEST_F(GenerationTest, BadRequestsNameTheField) {
  struct Case {
    const char* field;
    client::GenerateOptions options;
  };
  const Case cases[] = {
      {"max_tokens", {.model = "models/sea", .max_tokens = 0}},
      {"max_tokens", {.model = "models/sea", .max_tokens = -3}},
      {"sampling.temperature", {.model = "models/sea", .sampling = {.temperature = -1}}},
      {"sampling.temperature", {.model = "models/sea", .sampling = {.temperature = NAN}}},
      {"sampling.top_k", {.model = "models/sea", .sampling = {.top_k = -1}}},
      {"sampling.top_p", {.model = "models/sea", .sampling = {.top_p = 0}}},
      {"sampling.top_p", {.model = "models/sea", .sampling = {.top_p = 1.5}}},
      {"stop_tokens", {.model = "models/sea", .stop_tokens = {500}}},
      {"echo", {.model = "models/sea", .echo = true}},
      {"prompt_bytes", {.model = "models/sea", .prompt_bytes = "a"}},
      {"min_tokens", {.model = "models/sea", .min_tokens = 1}},
      {"sampling.min_p", {.model = "models/sea", .sampling = {.min_p = 2}}},
      {"sampling.top_k", {.model = "models/sea", .sampling = {.temperature = 0, .top_k = 3}}},
      {"sampling.penalty_window", {.model = "models/sea", .sampling = {.penalty_window = 3}}},
      {"sampling.banned_tokens", {.model = "models/sea", .sampling = {.banned_tokens = {500}}}},
      {"prompt", {.model = "models/sea", .prompt = std::string((1 << 20) + 1, 'a')}},
      {"model", {.model = "sea"}},
      {"session", {.session = "sessions/NO"}},
  };
  for (const Case& bad : cases) {
    const absl::Status status = Generate(bad.options).end.status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad.field << ": " << status;
    EXPECT_EQ(ErrorField(status), bad.field) << status;
  }
}

TEST_F(GenerationTest, UnknownModelsAndVersionsAreNotFound) {
  for (const char* model : {"models/land", "models/sea/versions/7"}) {
    EXPECT_EQ(Generate({.model = model}).end.status().code(), absl::StatusCode::kNotFound) << model;
    EXPECT_EQ(client_->OpenSession(model).status().code(), absl::StatusCode::kNotFound) << model;
  }
}

TEST_F(GenerationTest, AFullPoolIsRefusedWithARetryHint) {
  options_.max_sessions = 2;
  client_.reset();
  Restart();
  Connect();
  const auto first = client_->OpenSession("models/sea"),
             second = client_->OpenSession("models/sea");
  ASSERT_TRUE(second.ok()) << second.status();
  const absl::Status third = client_->OpenSession("models/sea").status();
  EXPECT_EQ(third.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(third), "SESSIONS_FULL");
  EXPECT_TRUE(client::ErrorRetryDelay(third).has_value());
  ASSERT_TRUE(client_->CloseSession(first->name).ok());
  EXPECT_TRUE(client_->OpenSession("models/sea").ok());
}

TEST_F(GenerationTest, AStoppingServerEndsStreamsWithTheirPosition) {
  std::thread stopping;
  const auto end = client_->Generate(
      {.model = "models/sea", .prompt = "the ", .max_tokens = 1'000'000, .reconnect_tries = 0},
      {.text = [&](std::string_view, const std::vector<int32_t>&) {
        if (!stopping.joinable()) {
          stopping = std::thread([this] { server_->Shutdown(absl::ZeroDuration()); });
        }
        return true;
      }});
  stopping.join();
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->finish_reason, FinishReason::kServerStopping);
  EXPECT_EQ(end->position, 4 + end->generated_tokens - 1);
}

// A client whose connection is broken after so many of a text's pieces, once or more often.
class BrokenConnectionTest : public GenerationTest {
 protected:
  void SetUp() override {
    GenerationTest::SetUp();
    const std::string address = server_->address();
    relay_ = std::make_unique<BreakableRelay>(std::stoi(address.substr(address.rfind(':') + 1)));
    auto connected = client::Client::Connect({.address = relay_->address()});
    ASSERT_TRUE(connected.ok()) << connected.status();
    behind_relay_ = *std::move(connected);
  }
  void TearDown() override {
    behind_relay_.reset();
    relay_.reset();
  }

  Generated GenerateBroken(client::GenerateOptions options, int breaks) {
    options.per_token = true;
    options.reconnect_wait = absl::Milliseconds(10);
    Generated generated;
    int pieces = 0;
    client::GenerateCallbacks callbacks;
    callbacks.start = [&](const client::GenerateStart& start) {
      generated.start = start;
      return true;
    };
    callbacks.text = [&](std::string_view text, const std::vector<int32_t>& tokens) {
      generated.text += text;
      generated.tokens.insert(generated.tokens.end(), tokens.begin(), tokens.end());
      if (++pieces % 50 == 0 && breaks-- > 0) relay_->Break();
      return true;
    };
    callbacks.reconnecting = [this](const absl::Status&) { ++reconnections_; };
    generated.end = behind_relay_->Generate(options, callbacks);
    return generated;
  }

  std::unique_ptr<BreakableRelay> relay_;
  std::unique_ptr<client::Client> behind_relay_;
  int reconnections_ = 0;
};

TEST_F(BrokenConnectionTest, LosesAndDoublesNothingOfATextInASession) {
  const auto session = client_->OpenSession("models/sea", {.seed = 5});
  const auto whole = client_->OpenSession("models/sea", {.seed = 5});
  for (int call = 0; call < 2; ++call) {
    client::GenerateOptions options{.prompt = "the ", .max_tokens = 6'000};
    options.session = whole->name;
    const Generated wanted = Generate(options);
    options.session = session->name;
    const Generated broken = GenerateBroken(options, 3);
    ASSERT_TRUE(broken.end.ok()) << broken.end.status();
    EXPECT_EQ(broken.text, wanted.text);
    EXPECT_EQ(broken.tokens, wanted.tokens);
    EXPECT_EQ(broken.end->position, wanted.end->position);
  }
  EXPECT_GE(reconnections_, 2);
  EXPECT_EQ(client_->GetSession(session->name)->position,
            client_->GetSession(whole->name)->position);
}

TEST_F(BrokenConnectionTest, LosesAndDoublesNothingOfATextWithoutASessionOrWithItsOwn) {
  for (const bool open : {false, true}) {
    reconnections_ = 0;
    const Generated broken = GenerateBroken({.model = "models/sea",
                                             .prompt = "the ",
                                             .echo = true,
                                             .max_tokens = 6'000,
                                             .open_session = open},
                                            1);
    ASSERT_TRUE(broken.end.ok()) << broken.end.status();
    EXPECT_EQ(reconnections_, 1);
    const Generated wanted = Generate({.model = "models/sea",
                                       .prompt = "the ",
                                       .echo = true,
                                       .max_tokens = 6'000,
                                       .seed = broken.start.seed});
    EXPECT_EQ(broken.text, wanted.text);
    EXPECT_EQ(client_->ListSessions()->size(), open ? 1u : 0u);
  }
}

TEST_F(GenerationTest, TheSameRequestIdWithAnotherRequestIsRefused) {
  const auto session = client_->OpenSession("models/sea", {.seed = 5});
  client::GenerateOptions options{
      .session = session->name, .prompt = "the ", .max_tokens = 10, .request_id = "once"};
  const Generated first = Generate(options);
  ASSERT_TRUE(first.end.ok()) << first.end.status();
  const Generated again = Generate(options);
  EXPECT_EQ(again.text, first.text);
  EXPECT_EQ(again.start.position, 0);
  EXPECT_EQ(again.end->position, 13);
  options.max_tokens = 11;
  const absl::Status other = Generate(options).end.status();
  EXPECT_EQ(other.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(other), "REQUEST_ID_REUSED");
}

TEST_F(GenerationTest, ACallThatOpensASessionFindsItAgainByItsRequestId) {
  const client::GenerateOptions options{.model = "models/sea",
                                        .prompt = "the ",
                                        .max_tokens = 10,
                                        .open_session = true,
                                        .request_id = "once"};
  const Generated first = Generate(options), again = Generate(options);
  ASSERT_TRUE(again.end.ok()) << again.end.status();
  EXPECT_EQ(again.start.session, first.start.session);
  EXPECT_EQ(again.start.seed, first.start.seed);
  EXPECT_EQ(again.text, first.text);
  EXPECT_EQ(client_->ListSessions()->size(), 1u);
}

TEST_F(GenerationTest, ASessionGoesBackToPositionsOfItsLastCall) {
  const auto session = client_->OpenSession("models/sea", {.seed = 5});
  const client::GenerateOptions begin{.session = session->name, .prompt = "the ", .max_tokens = 10};
  const client::GenerateOptions more{.session = session->name, .max_tokens = 60};
  ASSERT_TRUE(Generate(begin).end.ok());
  const std::string text = Generate(more).text;
  const auto shown = client_->GetSession(session->name);
  EXPECT_EQ(shown->position, 73);
  ASSERT_EQ(shown->remembered.size(), 2u);
  EXPECT_EQ(shown->remembered[0].last, 0) << "where it was opened";
  EXPECT_EQ(shown->remembered[1].first, 13);
  EXPECT_EQ(shown->remembered[1].last, 73);
  // At 14 one token of the call is drawn.
  for (const int64_t position : {40, 14, 73, 20}) {
    const auto back = client_->RewindSession(session->name, position);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(back->position, position);
    const auto fork = client_->ForkSession(session->name, {.same_stream = true});
    EXPECT_EQ(Generate({.session = fork->name, .max_tokens = 10}).text.substr(0, 73 - position),
              text.substr(position - 13, std::min<int64_t>(10, 73 - position)));
  }
  const absl::Status early = client_->RewindSession(session->name, 12).status();
  EXPECT_EQ(early.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ErrorReason(early), "POSITION_NOT_REMEMBERED");
  EXPECT_THAT(std::string(early.message()), testing::HasSubstr("is 13"));
  ASSERT_TRUE(client_->RewindSession(session->name, 13).ok());
  EXPECT_EQ(Generate(more).text, text);
  EXPECT_EQ(ErrorReason(client_->RewindSession("sessions/none", 0).status()), "SESSION_NOT_FOUND");
}

class ContinuationsTest : public GenerationTest {
 protected:
  struct Texts {
    absl::Status status;
    client::GenerateStart prompt;
    std::map<int, Generated> texts;
  };
  Texts GenerateAll(const client::GenerateOptions& options, int count) {
    Texts all;
    client::ContinuationCallbacks callbacks;
    callbacks.prompt = [&](const client::GenerateStart& start, std::string_view) {
      all.prompt = start;
      return true;
    };
    callbacks.start = [&](int number, const client::GenerateStart& start) {
      all.texts[number].start = start;
      return true;
    };
    callbacks.text = [&](int number, std::string_view text, const std::vector<int32_t>& tokens,
                         const std::vector<client::DrawnLogProbability>&) {
      Generated& one = all.texts[number];
      one.text += text;
      one.tokens.insert(one.tokens.end(), tokens.begin(), tokens.end());
      return true;
    };
    callbacks.end = [&](int number, const client::GenerateEnd& end) {
      all.texts[number].end = end;
      return true;
    };
    all.status = client_->GenerateContinuations(options, count, callbacks);
    return all;
  }
};

TEST_F(ContinuationsTest, AreWhatForksAtThePromptsEndMake) {
  const auto session = client_->OpenSession("models/sea", {.seed = 5});
  const client::SamplingSettings bold{.temperature = 3};
  const Texts all = GenerateAll(
      {.session = session->name, .prompt = "the ", .max_tokens = 40, .sampling = bold}, 3);
  ASSERT_TRUE(all.status.ok()) << all.status;
  ASSERT_EQ(all.texts.size(), 3u);
  EXPECT_EQ(all.prompt.session, session->name);
  EXPECT_EQ(client_->GetSession(session->name)->position, 3) << "its last letter waits";
  EXPECT_EQ(client_->ListSessions()->size(), 4u);
  std::set<std::string> texts;
  std::set<uint32_t> streams;
  for (const auto& [number, one] : all.texts) {
    texts.insert(one.text);
    streams.insert(client_->GetSession(one.start.session)->stream);
    EXPECT_EQ(one.text.size(), 40u);
    EXPECT_EQ(one.start.position, 3);
    EXPECT_EQ(one.end->position, 43);
  }
  EXPECT_EQ(texts.size(), 3u);
  EXPECT_EQ(streams.size(), 3u);
  // The same from a session that took the prompt in for one text, which is then forgotten.
  const auto other = client_->OpenSession("models/sea", {.seed = 5});
  ASSERT_TRUE(
      GenerateAll({.session = other->name, .prompt = "the ", .max_tokens = 1}, 1).status.ok());
  ASSERT_TRUE(client_->ForkSession(other->name).ok());
  const auto third = client_->ForkSession(other->name);
  EXPECT_EQ(Generate({.session = third->name, .max_tokens = 40, .sampling = bold}).text,
            all.texts.at(2).text);
  // And the session itself goes on as if it had been asked for one text.
  EXPECT_EQ(
      Generate({.session = session->name, .max_tokens = 40, .sampling = bold}).text,
      Generate(
          {.model = "models/sea", .prompt = "the ", .max_tokens = 40, .sampling = bold, .seed = 5})
          .text);
}

TEST_F(ContinuationsTest, OfAModelAloneLeaveNothingAndOfOneThatOpensASessionAll) {
  client::GenerateOptions options{
      .model = "models/sea", .prompt = "the ", .max_tokens = 30, .seed = 9};
  const Texts fleeting = GenerateAll(options, 4);
  ASSERT_TRUE(fleeting.status.ok()) << fleeting.status;
  EXPECT_EQ(fleeting.texts.at(3).start.session, "");
  EXPECT_EQ(fleeting.texts.at(3).start.position, 3);
  EXPECT_EQ(fleeting.texts.at(3).start.seed, 9u);
  EXPECT_TRUE(client_->ListSessions()->empty());
  options.open_session = true;
  const Texts kept = GenerateAll(options, 4);
  ASSERT_TRUE(kept.status.ok()) << kept.status;
  EXPECT_EQ(client_->ListSessions()->size(), 5u);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(kept.texts.at(i).text, fleeting.texts.at(i).text);
}

TEST_F(ContinuationsTest, RefusedLeaveNothingBehind) {
  EXPECT_EQ(ErrorField(GenerateAll({.model = "models/sea", .open_session = true}, 17).status),
            "continuations");
  EXPECT_FALSE(GenerateAll({.model = "models/sea", .stop_tokens = {500}, .open_session = true}, 2)
                   .status.ok());
  EXPECT_TRUE(client_->ListSessions()->empty());
}

TEST_F(ContinuationsTest, EndWhenTheClientLeaves) {
  const auto session = client_->OpenSession("models/sea", {.seed = 5});
  client::ContinuationCallbacks callbacks;
  int pieces = 0;
  callbacks.text = [&pieces](int, std::string_view, const std::vector<int32_t>&,
                             const std::vector<client::DrawnLogProbability>&) {
    return ++pieces < 10;
  };
  EXPECT_EQ(
      client_
          ->GenerateContinuations({.session = session->name, .max_tokens = 1'000'000}, 8, callbacks)
          .code(),
      absl::StatusCode::kCancelled);
  EXPECT_TRUE(Generate({.session = session->name, .max_tokens = 10}).end.ok());
}

}  // namespace
}  // namespace derin::server
