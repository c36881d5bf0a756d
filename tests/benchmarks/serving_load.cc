// Puts a server under load and says how it bears that: see --help.

#include <sched.h>

#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/synchronization/mutex.h"
#include "tests/benchmarks/load/load_report.h"
#include "tests/benchmarks/load/load_run.h"
#include "tests/benchmarks/load/load_settings.h"
#include "tests/benchmarks/load/load_target.h"

namespace derin {
namespace {

struct Flags {
  LoadSettings settings;
  double think = 0, interval = -1, warm_up = 2, duration = 10;  // seconds, milliseconds, seconds
  bool per_token = false, json = false;
};

void AddFlags(CLI::App& app, Flags& flags) {
  LoadSettings& settings = flags.settings;
  app.add_option("--server", settings.server, "HOST:PORT or unix:PATH")->capture_default_str();
  app.add_option("--protocol", settings.protocol,
                 "derin, or triton: sequences of calls of one token")
      ->transform(CLI::CheckedTransformer(std::map<std::string, LoadProtocol>{
          {"derin", LoadProtocol::kDerin}, {"triton", LoadProtocol::kTriton}}));
  app.add_option("--model", settings.model, "its id")->required();
  app.add_option("--streams", settings.streams,
                 "texts under way: always so many, or with --rate at most")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--rate", settings.rate,
                 "texts due a second, as a Poisson process; latency counts from when they are due. "
                 "0: a closed loop")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--think", flags.think, "seconds between a stream's texts, in a closed loop")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--prompt", settings.prompt_length, "characters of each prompt; Triton's: tokens")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  app.add_option("--output", settings.output_length, "tokens of each text")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--connections", settings.connections, "the streams are dealt out to them in turn")
      ->check(CLI::Range(1, 1'000))
      ->capture_default_str();
  auto* per_token = app.add_flag("--per-token", flags.per_token, "a message for each token");
  app.add_option("--interval", flags.interval,
                 "at most a message in so many milliseconds [the server's default]")
      ->check(CLI::NonNegativeNumber)
      ->excludes(per_token);
  app.add_option("--sessions", settings.sessions,
                 "none, call: each text in one that it opens, keep: each stream in its own")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, SessionReuse>{{"none", SessionReuse::kNone},
                                              {"call", SessionReuse::kCall},
                                              {"keep", SessionReuse::kKeep}}));
  app.add_option("--warm-up", flags.warm_up, "seconds before anything counts")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--duration", flags.duration, "seconds that are measured")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--seed", settings.seed,
                 "of the arrivals, and of the texts: seed * 2^32 + 1 and up")
      ->check(CLI::Range(0, 1'000'000'000))
      ->capture_default_str();
  app.add_flag("--json", flags.json, "one JSON object instead of a table; its times are seconds");
}

// What makes no sense, or empty.
std::string Fault(const LoadSettings& settings) {
  if (settings.rate > 0 && settings.think > absl::ZeroDuration()) {
    return "--think is for a closed loop, --rate for an open one";
  }
  if (settings.protocol == LoadProtocol::kDerin) return {};
  if (settings.sessions != SessionReuse::kNone || settings.chunking != Chunking::kDefault ||
      settings.prompt_length == 0) {
    return "--protocol triton has neither --sessions nor --per-token and --interval, and its "
           "prompts have a token at least";
  }
  return {};
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Puts a server under load: many texts at once in a closed loop, or texts that are due "
      "at random times in an open one.");
  Flags flags;
  AddFlags(app, flags);
  CLI11_PARSE(app, argc, argv);
  LoadSettings& settings = flags.settings;
  settings.think = absl::Seconds(flags.think);
  settings.warm_up = absl::Seconds(flags.warm_up);
  settings.duration = absl::Seconds(flags.duration);
  if (flags.per_token) settings.chunking = Chunking::kPerToken;
  if (flags.interval >= 0) {
    settings.chunking = Chunking::kInterval;
    settings.interval = absl::Milliseconds(flags.interval);
  }
  if (const std::string fault = Fault(settings); !fault.empty()) {
    std::cerr << fault << '\n';
    return 2;
  }
  const std::unique_ptr<LoadTarget> target = settings.protocol == LoadProtocol::kDerin
                                                 ? NewDerinTarget(settings)
                                                 : NewTritonTarget(settings);
  absl::StatusOr<LoadResult> result = LoadRun(settings, *target).Run();
  if (!result.ok()) {
    std::cerr << result.status().message() << '\n';
    return 1;
  }
  std::cout << (flags.json ? LoadJson(settings, *result) : LoadTable(settings, *result));
  return 0;
}

}  // namespace
}  // namespace derin

int main(int argc, char** argv) {
  // Debian builds Abseil without NDEBUG, where each lock looks for deadlocks under a lock of all.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // Whoever shares a machine with the server takes no processor from it in the middle of its work
  // only because a message has come.
  const sched_param priority = {};
  sched_setscheduler(0, SCHED_BATCH, &priority);
  return derin::Main(argc, argv);
}
