// What a million idle sessions cost a server, and how it finds them again: each is opened by a call
// that draws a token, so that it has a state; the server is killed and started again; then some of
// them go on, and draw what a session draws that was never away.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "derin/client/client.h"
#include "model/check.h"
#include "model/sampling/philox.h"
#include "tests/benchmarks/server_process.h"

namespace derin {
namespace {

using Clock = std::chrono::steady_clock;
double Since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Options {
  std::string derind;
  std::filesystem::path data = "build/session-capacity";
  int64_t sessions = 1'000'000;
  int samples = 1000;
  int threads = 64;
};

std::unique_ptr<ServerProcess> StartServer(const Options& options) {
  return std::make_unique<ServerProcess>(
      options.derind, options.data,
      std::vector<std::string>{"--session-disk", "64GiB", "--max-sessions",
                               absl::StrCat(2 * options.sessions + 10'000)});
}

void Train(client::Client& client) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "the sea is calm and the lamp is lit ";
  DERIN_CHECK(client.UploadCorpus({.corpus_id = "sea"}, client::TextSource(text)).ok());
  client::TrainingSpec spec;
  spec.corpus = "corpora/sea";
  spec.model = "models/sea";
  spec.epochs = 1;
  const auto job = client.CreateTrainingJob(spec);
  DERIN_CHECK(job.ok());
  DERIN_CHECK(client.WatchTrainingJob(job->name, {}, {}).ok());
}

std::string Say(client::Client& client, client::GenerateOptions options, std::string* name) {
  std::string text;
  options.sampling.temperature = 2;
  const auto end = client.Generate(options, {.start =
                                                 [&](const client::GenerateStart& start) {
                                                   if (name != nullptr) *name = start.session;
                                                   return true;
                                                 },
                                             .text =
                                                 [&](std::string_view piece, const auto&) {
                                                   text += piece;
                                                   return true;
                                                 }});
  if (!end.ok()) std::fprintf(stderr, "%s\n", std::string(end.status().message()).c_str());
  DERIN_CHECK(end.ok());
  return text;
}

// `number` decides of the draws.
client::GenerateOptions First(int64_t number) {
  return {.model = "models/sea",
          .max_tokens = 1,
          .seed = static_cast<uint64_t>(number),
          .open_session = true};
}

void Measure(const Options& options) {
  std::filesystem::remove_all(options.data);
  std::filesystem::create_directories(options.data);
  auto server = StartServer(options);
  Train(server->client());
  std::string warm;
  Say(server->client(), First(0), &warm);
  DERIN_CHECK(server->client().CloseSession(warm).ok());
  const int64_t before = server->Memory();

  std::vector<std::string> names(options.sessions);
  std::atomic<int64_t> next = 0;
  const auto opening = Clock::now();
  std::vector<std::thread> threads;
  for (int i = 0; i < options.threads; ++i) {
    threads.emplace_back([&] {
      for (int64_t number; (number = next++) < options.sessions;) {
        Say(server->client(), First(number), &names[number]);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double opened = Since(opening);
  const int64_t after = server->Memory();
  int64_t on_disk = 0;
  for (const auto& file : std::filesystem::directory_iterator(options.data / "data/sessions")) {
    on_disk += static_cast<int64_t>(file.file_size());
  }
  const auto each = [&](int64_t bytes) {
    return static_cast<double>(bytes) / static_cast<double>(options.sessions);
  };
  std::printf("%lld sessions opened in %.0f s, %.0f a second\n",
              static_cast<long long>(options.sessions), opened, options.sessions / opened);
  std::printf(
      "memory of the server: %.0f MiB more, %.0f bytes a session (with the states that "
      "--session-memory holds)\n",
      static_cast<double>(after - before) / (1 << 20), each(after - before));
  std::printf("disk: %.0f MiB, %.0f bytes a session\n", static_cast<double>(on_disk) / (1 << 20),
              each(on_disk));

  server->Kill();
  server = StartServer(options);
  const int64_t restarted = server->Memory();
  std::printf(
      "killed and started again: serves after %.2f s, with %.0f MiB, %.0f bytes a session\n",
      server->start_seconds(), static_cast<double>(restarted) / (1 << 20), each(restarted));

  std::vector<double> times;
  int same = 0;
  for (int i = 0; i < options.samples; ++i) {
    const auto number = static_cast<int64_t>(
        Philox4x32({{static_cast<uint32_t>(i), 0, 0, 0}}, 1).word[0] % options.sessions);
    const auto start = Clock::now();
    const std::string text =
        Say(server->client(), {.session = names[number], .max_tokens = 20}, nullptr);
    times.push_back(Since(start));
    std::string other;
    Say(server->client(), First(number), &other);
    // A session may have been chosen before.
    const auto shown = server->client().GetSession(names[number]);
    if (shown->position > 21 ||
        Say(server->client(), {.session = other, .max_tokens = 20}, nullptr) == text) {
      ++same;
    }
  }
  std::sort(times.begin(), times.end());
  std::printf("20 tokens in %d of them: %.1f ms median, %.1f ms at most; %d as if never away\n",
              options.samples, 1e3 * times[times.size() / 2], 1e3 * times.back(), same);
  server.reset();
  std::filesystem::remove_all(options.data);
}

}  // namespace
}  // namespace derin

int main(int argc, char** argv) {
  derin::Options options;
  CLI::App app("What many idle sessions of a 2 x 256 LSTM cost a server, and a restart with them.");
  app.add_option("--derind", options.derind, "the server's program")->required();
  app.add_option("--data", options.data, "a folder for 5 GB, emptied before and after")
      ->capture_default_str();
  app.add_option("--sessions", options.sessions)->capture_default_str();
  app.add_option("--samples", options.samples, "so many go on after the restart")
      ->capture_default_str();
  app.add_option("--threads", options.threads, "that open them")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  derin::Measure(options);
  return 0;
}
