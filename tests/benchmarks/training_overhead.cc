// What a training costs more as a job of a server, with ten watchers, than as the bare loop: the
// seed recipe for some steps, in turns, from the job's start to its published version.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "derin/client/client.h"
#include "model/backend/backend_list.h"
#include "model/check.h"
#include "model/text/tokenizer.h"
#include "model/training/trainer.h"
#include "tests/benchmarks/server_process.h"

namespace derin {
namespace {

constexpr int64_t kTokens = 10'000;
constexpr uint64_t kSeed = 1;

struct Options {
  std::string derind;
  std::filesystem::path data = "build/training-overhead";
  int64_t steps = 400;
  int runs = 5;
  int watchers = 10;
};

std::string Text() {
  std::string text;
  while (text.size() < kTokens) text += "the quick brown fox jumps over the lazy dog ";
  return text;
}

// Steps a second of the trainer alone.
double BareSpeed(const Options& options) {
  const auto backend = NewBackend("auto");
  DERIN_CHECK(backend.ok());
  const std::string text = Text();
  const Tokenizer tokenizer = Tokenizer::Characters(Vocabulary::FromText(text));
  const std::vector<int32_t> tokens = tokenizer.Encode(text, kTokens).tokens;
  TrainingConfig config;
  config.model.vocabulary = tokenizer.vocabulary_size();
  config.learning_rate.peak = 2;
  config.early_ends.max_steps = options.steps;
  config.seed = kSeed;
  const auto trainer =
      Trainer::Create(**backend, config, tokens, InitialParameters(config.model, config.seed));
  DERIN_CHECK(trainer.ok());
  const auto start = std::chrono::steady_clock::now();
  while (!(*trainer)->done()) DERIN_CHECK((*trainer)->Step().ok());
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  return static_cast<double>(options.steps) / taken.count();
}

// The same from when the job began to when it was over, as the server saw it.
double JobSpeed(const Options& options, ServerProcess& server) {
  client::TrainingSpec spec;
  spec.corpus = "corpora/text";
  spec.model = "models/text";
  spec.max_tokens = kTokens;
  spec.max_steps = options.steps;
  spec.seed = kSeed;
  const auto created = server.client().CreateTrainingJob(spec);
  DERIN_CHECK(created.ok());
  std::vector<std::thread> watchers;
  for (int i = 0; i < options.watchers; ++i) {
    watchers.emplace_back([&] {
      const auto client = client::Client::Connect({.address = server.address()});
      DERIN_CHECK(client.ok());
      DERIN_CHECK((*client)->WatchTrainingJob(created->name, {}, {}).ok());
    });
  }
  for (std::thread& watcher : watchers) watcher.join();
  const auto job = server.client().GetTrainingJob(created->name);
  DERIN_CHECK(job.ok() && job->state == client::JobState::kSucceeded);
  return static_cast<double>(options.steps) /
         absl::ToDoubleSeconds(*job->end_time - *job->start_time);
}

void Measure(const Options& options) {
  std::filesystem::remove_all(options.data);
  std::filesystem::create_directories(options.data);
  ServerProcess server(options.derind, options.data);
  DERIN_CHECK(server.client().UploadCorpus({.corpus_id = "text"}, client::TextSource(Text())).ok());
  std::vector<double> shares;
  for (int run = 0; run < options.runs; ++run) {
    // In turns, and each first every other time.
    double bare = run % 2 == 0 ? BareSpeed(options) : 0;
    const double job = JobSpeed(options, server);
    if (bare == 0) bare = BareSpeed(options);
    shares.push_back(job / bare);
    std::printf("bare %.1f steps/s, as a job with %d watchers %.1f: %.1f %%\n", bare,
                options.watchers, job, 100 * shares.back());
    std::fflush(stdout);
  }
  std::sort(shares.begin(), shares.end());
  std::printf("median: %.1f %%\n", 100 * shares[shares.size() / 2]);
}

}  // namespace
}  // namespace derin

int main(int argc, char** argv) {
  derin::Options options;
  CLI::App app("Measures what a training costs more as a job than as the bare loop");
  app.add_option("--derind", options.derind, "the server's program")->required();
  app.add_option("--data", options.data, "folder to use, emptied first")->capture_default_str();
  app.add_option("--steps", options.steps, "of each training")->capture_default_str();
  app.add_option("--runs", options.runs, "of both, in turns")->capture_default_str();
  app.add_option("--watchers", options.watchers, "of the job")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  derin::Measure(options);
}
