// What bfloat16 costs in quality, on the text that is usual for such questions.

#include <cstdio>
#include <fstream>
#include <iterator>

#include "gtest/gtest.h"
#include "model/backend/backend_list.h"
#include "model/text/tokenizer.h"
#include "model/training/trainer.h"

namespace derin {
namespace {

double ValidationPerplexity(Backend& backend, Precision precision, const Tokenizer& tokenizer,
                            const std::vector<int32_t>& tokens) {
  const TrainingConfig config{
      .model = {.vocabulary = tokenizer.vocabulary_size(), .precision = precision},
      .optimizer = {.kind = OptimizerKind::kAdam},
      .learning_rate = {.peak = 0.002},
      .epochs = 3,
      .held_out_tokens = static_cast<int64_t>(tokens.size()) / 10,
      .seed = 1};
  auto trainer = *Trainer::Create(backend, config, tokens, InitialParameters(config.model, 1));
  while (!trainer->done()) EXPECT_TRUE(trainer->Step().ok());
  const double perplexity = *trainer->progress().validation_perplexity;
  std::printf("%s: validation perplexity %.4f after %d steps\n",
              backend.EngineId(precision).c_str(), perplexity, int(trainer->progress().step));
  return perplexity;
}

TEST(Bf16, ReachesTheValidationPerplexityOfF32WithinOnePercent) {
  const std::string path = std::string(DERIN_BOOKS) + "/tinyshakespeare.txt";
  std::ifstream file(path);
  if (!file) GTEST_SKIP() << "needs " << path;
  auto backend = *NewBackend("auto");
  const absl::Status there = CheckPrecision(backend->capabilities(), Precision::kBf16);
  if (!there.ok()) GTEST_SKIP() << there.message();
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const Tokenizer tokenizer = Tokenizer::Characters(Vocabulary::FromText(text));
  const std::vector<int32_t> tokens = tokenizer.Encode(text, int64_t(text.size())).tokens;
  const double f32 = ValidationPerplexity(*backend, Precision::kF32, tokenizer, tokens);
  const double bf16 = ValidationPerplexity(*backend, Precision::kBf16, tokenizer, tokens);
  EXPECT_LE(bf16, 1.01 * f32);
}

}  // namespace
}  // namespace derin
