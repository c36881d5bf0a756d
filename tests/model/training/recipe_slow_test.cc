// The recipe that must reproduce: "Dive into Deep Learning", "Deep Recurrent Neural Networks", on
// The Time Machine.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <tuple>

#include "gtest/gtest.h"
#include "model/backend/backend_list.h"
#include "model/text/normalization.h"
#include "model/text/tokenizer.h"
#include "model/training/trainer.h"

namespace derin {
namespace {

class Recipe : public testing::TestWithParam<std::tuple<Precision, uint64_t>> {};

TEST_P(Recipe, ReachesItsPerplexityInTheLastTenEpochs) {
  const auto [precision, seed] = GetParam();
  const std::string path = std::string(DERIN_BOOKS) + "/timemachine.txt";
  std::ifstream file(path);
  if (!file) GTEST_SKIP() << "needs " << path;
  auto backend = *NewBackend("auto");
  const absl::Status there = CheckPrecision(backend->capabilities(), precision);
  if (!there.ok()) GTEST_SKIP() << there.message();
  const std::string raw((std::istreambuf_iterator<char>(file)), {});
  std::string text;
  Normalizer normalizer(Normalization::kD2lLetters);
  ASSERT_TRUE(normalizer.Append(raw, text).ok());
  ASSERT_TRUE(normalizer.Finish(text).ok());
  const Tokenizer tokenizer = Tokenizer::Characters(Vocabulary::FromText(text));
  const auto tokens = tokenizer.Encode(text, 10000).tokens;

  // Everything else is the default of a training.
  const TrainingConfig config{
      .model = {.vocabulary = tokenizer.vocabulary_size(), .precision = precision}, .seed = seed};
  auto trainer =
      *Trainer::Create(*backend, config, tokens, InitialParameters(config.model, config.seed));
  const auto start = std::chrono::steady_clock::now();
  double best_of_last_ten = 1e9, last = 0;
  while (!trainer->done()) {
    const int64_t epoch = trainer->progress().epoch;
    ASSERT_TRUE(trainer->Step().ok());
    if (trainer->progress().epoch == epoch) continue;
    last = *trainer->progress().epoch_perplexity;
    if (epoch >= 490) best_of_last_ten = std::min(best_of_last_ten, last);
    if (epoch % 50 == 49) std::printf("epoch %3d: perplexity %.4f\n", int(epoch + 1), last);
  }
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  std::printf("seed %d on %s: best of the last ten epochs %.4f, last %.4f, %.0f s, %.0f tokens/s\n",
              int(seed), backend->EngineId(precision).c_str(), best_of_last_ten, last, time.count(),
              double(trainer->progress().tokens) / time.count());
  EXPECT_LE(best_of_last_ten, precision == Precision::kBf16 ? 1.15 : 1.1);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Recipe,
                         testing::Combine(testing::Values(Precision::kF32, Precision::kBf16),
                                          testing::Values(1, 2, 3)));

}  // namespace
}  // namespace derin
