// What has to be learned: a text of six tokens, and the recipe of the design.

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>

#include "absl/strings/str_format.h"
#include "model/text/normalization.h"
#include "model/text/tokenizer.h"
#include "model/training/trainer.h"
#include "tests/gpu/proof.h"

namespace derin {
namespace {

// The perplexity of each epoch's own training pass.
absl::StatusOr<std::vector<double>> Train(Backend& backend, const TrainingConfig& config,
                                          absl::Span<const int32_t> tokens) {
  auto trainer =
      Trainer::Create(backend, config, tokens, InitialParameters(config.model, config.seed));
  if (!trainer.ok()) return trainer.status();
  std::vector<double> epochs;
  while (!(*trainer)->done()) {
    const int64_t epoch = (*trainer)->progress().epoch;
    if (absl::Status status = (*trainer)->Step(); !status.ok()) return status;
    if ((*trainer)->progress().epoch != epoch) {
      epochs.push_back(*(*trainer)->progress().epoch_perplexity);
    }
  }
  return epochs;
}

}  // namespace

Finding Smoke(Backend& backend, Precision precision) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < 1000; ++i) tokens.push_back(1 + (i % 7) * (i % 7) % 5);
  const TrainingConfig config{
      .model = {.layers = 2, .hidden = 16, .vocabulary = 6, .precision = precision},
      .learning_rate = {.peak = 1},
      .batch = 4,
      .steps = 10,
      .epochs = 30,
      .seed = 3};
  const auto epochs = Train(backend, config, tokens);
  if (!epochs.ok()) return epochs.status();
  return nlohmann::json{{"passed", epochs->back() < 1.2},
                        {"engine", backend.EngineId(precision)},
                        {"first_perplexity", epochs->front()},
                        {"last_perplexity", epochs->back()},
                        {"wanted_below", 1.2}};
}

Finding Recipe(Backend& backend, Precision precision, const std::string& path, uint64_t seed,
               int epochs) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrFormat("no text at '%s'", path));
  const std::string raw((std::istreambuf_iterator<char>(file)), {});
  std::string text;
  Normalizer normalizer(Normalization::kD2lLetters);
  if (absl::Status status = normalizer.Append(raw, text); !status.ok()) return status;
  if (absl::Status status = normalizer.Finish(text); !status.ok()) return status;
  const Tokenizer tokenizer = Tokenizer::Characters(Vocabulary::FromText(text));
  const auto tokens = tokenizer.Encode(text, 10'000).tokens;

  // Everything else is the default of a training.
  const TrainingConfig config{
      .model = {.vocabulary = tokenizer.vocabulary_size(), .precision = precision},
      .epochs = epochs,
      .seed = seed};
  const auto start = std::chrono::steady_clock::now();
  const auto perplexities = Train(backend, config, tokens);
  if (!perplexities.ok()) return perplexities.status();
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  const auto last_ten = perplexities->end() - std::min<ptrdiff_t>(10, perplexities->size());
  const double best = *std::min_element(last_ten, perplexities->end());
  const double wanted = precision == Precision::kBf16 ? 1.15 : 1.1;
  return nlohmann::json{{"passed", best <= wanted},
                        {"engine", backend.EngineId(precision)},
                        {"seed", seed},
                        {"epochs", epochs},
                        {"tokens", tokens.size()},
                        {"vocabulary", tokenizer.vocabulary_size()},
                        {"best_perplexity_of_last_ten_epochs", best},
                        {"last_perplexity", perplexities->back()},
                        {"wanted_at_most", wanted},
                        {"seconds", time.count()}};
}

}  // namespace derin
