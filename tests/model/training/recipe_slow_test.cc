// The recipe that must reproduce: "Dive into Deep Learning", "Deep Recurrent Neural Networks", on
// The Time Machine.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "gtest/gtest.h"
#include "model/backend/backend_list.h"
#include "model/text/normalization.h"
#include "model/text/tokenizer.h"
#include "model/training/trainer.h"

namespace derin {
namespace {

class Recipe : public testing::TestWithParam<uint64_t> {};

TEST_P(Recipe, ReachesAPerplexityOf1Point1InItsLastTenEpochs) {
  const std::string path = std::string(DERIN_BOOKS) + "/timemachine.txt";
  std::ifstream file(path);
  if (!file) GTEST_SKIP() << "needs " << path;
  const std::string raw((std::istreambuf_iterator<char>(file)), {});
  std::string text;
  Normalizer normalizer(Normalization::kD2lLetters);
  ASSERT_TRUE(normalizer.Append(raw, text).ok());
  ASSERT_TRUE(normalizer.Finish(text).ok());
  const Tokenizer tokenizer = Tokenizer::Characters(Vocabulary::FromText(text));
  const auto tokens = tokenizer.Encode(text, 10000).tokens;

  // Everything else is the default of a training.
  const TrainingConfig config{.model = {.vocabulary = tokenizer.vocabulary_size()},
                              .seed = GetParam()};
  auto backend = *NewBackend("auto");
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
              int(GetParam()), backend->EngineId(Precision::kF32).c_str(), best_of_last_ten, last,
              time.count(), double(trainer->progress().tokens) / time.count());
  EXPECT_LE(best_of_last_ten, 1.1);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Recipe, testing::Values(1, 2, 3));

}  // namespace
}  // namespace derin
