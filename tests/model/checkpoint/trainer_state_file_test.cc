#include "model/checkpoint/trainer_state_file.h"

#include <gmock/gmock.h>

#include <functional>
#include <limits>

#include "model/backend/backend_list.h"
#include "model/checkpoint/safetensors.h"

namespace derin {
namespace {

using ::testing::HasSubstr;

TrainerStateFile State() {
  TrainerStateFile state{.engine = "cpu/f32/1"};
  TrainerSnapshot& snapshot = state.snapshot;
  snapshot.moment1 = {1, -2.5f, 3e-38f};
  snapshot.moment2 = {0, 4, 5};
  snapshot.hidden = {0.25f, -1};
  snapshot.best_parameters = {7, 8, 9};
  snapshot.optimizer_step = 11;
  snapshot.step = 12;
  snapshot.epoch = 2;
  snapshot.step_in_epoch = 3;
  snapshot.progress = {.epoch = 2,
                       .step = 12,
                       .tokens = 3'360'000'000'000,
                       .epoch_loss = {.nats = 1.0 / 3, .tokens = 840},
                       .epoch_perplexity = 17.1,
                       .validation_perplexity = std::numeric_limits<double>::infinity(),
                       .best_perplexity = 0.1 + 0.2,
                       .epochs_without_better = 4,
                       .better_in_epoch = 1,
                       .measured_step = 70,
                       .learning_rate = 1e-300,
                       .gradient_norm = 1.7976931348623157e308};
  return state;
}

void ExpectSame(const TrainerStateFile& got, const TrainerStateFile& wanted) {
  EXPECT_EQ(got.engine, wanted.engine);
  const TrainerSnapshot &a = got.snapshot, &b = wanted.snapshot;
  EXPECT_EQ(a.moment1, b.moment1);
  EXPECT_EQ(a.moment2, b.moment2);
  EXPECT_EQ(a.hidden, b.hidden);
  EXPECT_EQ(a.best_parameters, b.best_parameters);
  EXPECT_EQ(a.loss_scale, b.loss_scale);
  EXPECT_EQ(a.choice, b.choice);
  EXPECT_EQ(a.optimizer_step, b.optimizer_step);
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.epoch, b.epoch);
  EXPECT_EQ(a.step_in_epoch, b.step_in_epoch);
  const TrainerProgress &p = a.progress, &q = b.progress;
  EXPECT_EQ(p.epoch, q.epoch);
  EXPECT_EQ(p.step, q.step);
  EXPECT_EQ(p.tokens, q.tokens);
  EXPECT_EQ(p.epoch_loss.nats, q.epoch_loss.nats);
  EXPECT_EQ(p.epoch_loss.tokens, q.epoch_loss.tokens);
  EXPECT_EQ(p.epoch_perplexity, q.epoch_perplexity);
  EXPECT_EQ(p.validation_perplexity, q.validation_perplexity);
  EXPECT_EQ(p.best_perplexity, q.best_perplexity);
  EXPECT_EQ(p.epochs_without_better, q.epochs_without_better);
  EXPECT_EQ(p.better_in_epoch, q.better_in_epoch);
  EXPECT_EQ(p.measured_step, q.measured_step);
  EXPECT_EQ(p.publishable_perplexity, q.publishable_perplexity);
  EXPECT_EQ(p.learning_rate, q.learning_rate);
  EXPECT_EQ(got.snapshot.learning_rate_factor, wanted.snapshot.learning_rate_factor);
  EXPECT_EQ(p.gradient_norm, q.gradient_norm);
}

// What becomes of a state's file after `change`, with fresh checksums.
absl::Status StatusAfter(const std::function<void(Safetensors&)>& change) {
  Safetensors file = DecodeSafetensors(EncodeTrainerStateFile(State()).value()).value();
  change(file);
  return DecodeTrainerStateFile(EncodeSafetensors(file).value()).status();
}

absl::Status StatusWith(const std::string& key, const std::string& value) {
  return StatusAfter([&](Safetensors& file) { file.metadata[key] = value; });
}

// With `from` in the counters' JSON replaced by `to`.
absl::Status StatusWithState(const std::string& from, const std::string& to) {
  return StatusAfter([&](Safetensors& file) {
    std::string& text = file.metadata["derin.state"];
    ASSERT_NE(text.find(from), std::string::npos) << text;
    text.replace(text.find(from), from.size(), to);
  });
}

TEST(TrainerStateFile, ComesBackAsItWas) {
  const auto decoded = DecodeTrainerStateFile(EncodeTrainerStateFile(State()).value());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ExpectSame(*decoded, State());
  // Of plain gradient descent before its first step.
  const TrainerStateFile first{.engine = "reference/f32/1", .snapshot = {.hidden = {0}}};
  const auto again = DecodeTrainerStateFile(EncodeTrainerStateFile(first).value());
  ASSERT_TRUE(again.ok()) << again.status();
  ExpectSame(*again, first);
}

TEST(TrainerStateFile, ATrainingGoesOnFromItBitForBit) {
  const std::unique_ptr<Backend> backend = *NewBackend("auto");
  const TrainingConfig config{.model = {.layers = 1, .hidden = 8, .vocabulary = 5},
                              .optimizer = {.kind = OptimizerKind::kAdam},
                              .learning_rate = {.peak = 0.01},
                              .batch = 2,
                              .steps = 5,
                              .epochs = 3,
                              .held_out_tokens = 40};
  std::vector<int32_t> tokens;
  for (int i = 0; i < 200; ++i) tokens.push_back(i * i % 5);
  const Parameters initial = InitialParameters(config.model, 1);
  auto whole = Trainer::Create(*backend, config, tokens, initial).value();
  while (!whole->done()) ASSERT_TRUE(whole->Step().ok());

  auto first = Trainer::Create(*backend, config, tokens, initial).value();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(first->Step().ok());
  TrainerSnapshot snapshot = first->Snapshot().value();
  const std::string bytes =
      EncodeTrainerStateFile({.engine = "cpu/f32/1", .snapshot = snapshot}).value();
  TrainerSnapshot read = DecodeTrainerStateFile(bytes).value().snapshot;
  read.parameters = snapshot.parameters;
  auto second = Trainer::Create(*backend, config, tokens, initial).value();
  ASSERT_TRUE(second->Restore(read).ok());
  while (!second->done()) ASSERT_TRUE(second->Step().ok());
  EXPECT_EQ(second->Snapshot()->parameters, whole->Snapshot()->parameters);
  EXPECT_EQ(second->PublishableParameters()->values, whole->PublishableParameters()->values);
  EXPECT_EQ(second->progress().best_perplexity, whole->progress().best_perplexity);
}

TEST(TrainerStateFile, KeepsTheLossScaleAndTheChoiceOfTheEngine) {
  TrainerStateFile state = State();
  const auto format = [](const TrainerStateFile& of) {
    const std::string bytes = EncodeTrainerStateFile(of).value();
    ExpectSame(DecodeTrainerStateFile(bytes).value(), of);
    return DecodeSafetensors(bytes)->metadata.at("derin.format");
  };
  EXPECT_EQ(format(state), "1");
  state.snapshot.choice = "persist-static";
  EXPECT_EQ(format(state), "1");
  state.snapshot.loss_scale = {0x1p24f, 1999};
  EXPECT_EQ(format(state), "2");
  state.snapshot.learning_rate_factor = 0.1;
  EXPECT_EQ(format(state), "3");
}

TEST(TrainerStateFile, RefusesDamageOfEveryKindSayingWhat) {
  const absl::Status newer = StatusWith("derin.format", "4");
  EXPECT_EQ(newer.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(newer.message(), HasSubstr("trainer state file has format version 4"));
  const auto expect_damage = [](const absl::Status& status, const char* what) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << what;
    EXPECT_THAT(status.message(), HasSubstr("damaged trainer state file"));
    EXPECT_THAT(status.message(), HasSubstr(what));
  };
  expect_damage(StatusWith("derin.format", "x"), "derin.format");
  expect_damage(StatusAfter([](Safetensors& f) { f.metadata.erase("derin.engine"); }),
                "derin.engine");
  expect_damage(StatusAfter([](Safetensors& f) { f.metadata.erase("derin.state"); }),
                "derin.state");
  expect_damage(StatusWith("derin.state", "[]"), "not an object");
  expect_damage(StatusWith("derin.state", "{"), "not JSON");
  expect_damage(StatusWithState("\"step\":12", "\"step\":-12"), "step is");
  expect_damage(StatusWithState("\"epoch\":2", "\"epoch\":2.5"), "epoch is");
  expect_damage(StatusWithState("\"tokens\":", "\"token\":"), "tokens is");
  expect_damage(StatusWithState("\"learning_rate\":", "\"learning_rates\":"), "learning_rate is");
  expect_damage(StatusWithState("17.1", "\"17.1\""), "epoch_perplexity is");
  expect_damage(StatusWithState("17.1", "-17.1"), "epoch_perplexity is");
  expect_damage(StatusAfter([](Safetensors& f) { f.tensors[0].name = "moment3"; }), "moment3");
  expect_damage(StatusAfter([](Safetensors& f) { f.tensors[0].shape = {3, 1}; }), "moment1");
}

TEST(TrainerStateFile, RefusesATruncatedOrChangedFile) {
  const std::string bytes = EncodeTrainerStateFile(State()).value();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeTrainerStateFile({bytes.data(), size}).ok()) << size;
  }
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    const auto decoded = DecodeTrainerStateFile(changed);
    EXPECT_FALSE(decoded.ok()) << at;
  }
}

}  // namespace
}  // namespace derin
