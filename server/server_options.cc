#include "server/server_options.h"

#include <cmath>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "proto/command_line/generated_text.h"
#include "proto/command_line/nearest_name.h"
#include "server/config_file.h"
#include "server/server.h"

namespace derin::server {
namespace {

constexpr int64_t kMaxCount = 1'000'000;
constexpr int64_t kMostRunningJobs = 16;
constexpr int64_t kMaxSessions = 1'000'000'000;
constexpr absl::Duration kMaxTimeToLive = absl::Hours(24 * 365);
constexpr int64_t kMaxBytes = int64_t{1} << 50;

struct Range {
  int64_t min = 1;
  int64_t max;
};

// A whole number; its range is said only when it is broken.
template <typename Integer>
CLI::Option* AddNumber(CLI::App& app, const std::string& name, Integer& field, Range range,
                       const std::string& description) {
  return app.add_option(name, field, description)
      ->check(CLI::Range(range.min, range.max).description(""))
      ->type_name("N")
      ->capture_default_str();
}

template <typename Integer>
CLI::Option* AddNumber(CLI::App& app, const std::string& name, Integer& field, int64_t max,
                       const std::string& description) {
  return AddNumber(app, name, field, {.max = max}, description);
}

// A number of bytes, which may have a unit: 64MiB.
CLI::Option* AddBytes(CLI::App& app, const std::string& name, int64_t& field, Range range,
                      const std::string& description) {
  return AddNumber(app, name, field, range, description)
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false).description(""))
      ->type_name("BYTES");
}

CLI::Option* AddBytes(CLI::App& app, const std::string& name, int64_t& field, int64_t max,
                      const std::string& description) {
  return AddBytes(app, name, field, {.max = max}, description);
}

// With units, or a number of seconds, as derin's flags have it.
bool ParseTime(const std::string& text, absl::Duration& time) {
  double seconds = 0;
  if (!absl::SimpleAtod(text, &seconds)) return absl::ParseDuration(text, &time);
  if (std::isnan(seconds)) return false;
  time = absl::Seconds(seconds);
  return true;
}

CLI::Option* AddDuration(CLI::App& app, const std::string& name, absl::Duration& field,
                         absl::Duration max, const std::string& description) {
  return app
      .add_option_function<std::string>(
          name,
          [name, max, &field](const std::string& text) {
            if (!ParseTime(text, field) || field < absl::ZeroDuration() || field > max) {
              throw CLI::ValidationError(name,
                                         absl::StrCat("got ", text, ", wanted a time from 0 to ",
                                                      absl::FormatDuration(max), ", such as 10s"));
            }
          },
          description)
      ->type_name("TIME")
      ->default_str(absl::FormatDuration(field));
}

void AddOptions(CLI::App& app, CommandLine& line) {
  ServerOptions& server = line.server;
  app.add_option("--listen", server.listen,
                 "Where to serve gRPC: HOST:PORT (0: any free port) or unix:PATH")
      ->type_name("ADDRESS")
      ->capture_default_str();
  app.add_option("--tls-certificate", server.tls_certificate,
                 "Encrypt, with this certificate (PEM, its own first); read again when it changes")
      ->type_name("FILE");
  app.add_option("--tls-key", server.tls_key, "The certificate's private key (PEM)")
      ->type_name("FILE");
  app.add_option("--tls-client-ca", server.tls_client_ca,
                 "Let in only callers with a certificate that these authorities (PEM) signed")
      ->type_name("FILE");
  app.add_option("--tokens", server.tokens,
                 "Let in only callers with a token of this file, which `derin token new` writes "
                 "lines for; read again on SIGHUP")
      ->type_name("FILE");
  app.add_flag("--allow-insecure-remote", server.allow_insecure_remote,
               "Let other machines reach what is listened on, although anybody there may then do "
               "everything");
  app.add_option(
         "--metrics-listen", server.metrics_listen,
         "Where to serve metrics, health and a status page over HTTP: HOST:PORT; empty: nowhere")
      ->type_name("ADDRESS")
      ->capture_default_str();
  app.add_option(
         "--channelz-listen", server.channelz_listen,
         "Where to serve gRPC's view of its connections, channelz: unix:PATH; empty: nowhere")
      ->type_name("ADDRESS");
  app.add_option(
         "--device", server.device,
         "What computes: cuda or cuda:N (a GPU, counted from 0), cpu, reference, or auto: a GPU "
         "that works, else the cpu")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--threads", server.threads,
                 "Threads that compute together on the processor; 0: one for each core")
      ->type_name("N")
      ->check(CLI::Range(0, 1024).description(""))
      ->capture_default_str();
  AddNumber(app, "--max-sessions", server.max_sessions, kMaxSessions,
            "Sessions, wherever their states are");
  AddBytes(app, "--session-device-memory", server.session_device_memory, kMaxBytes,
           "Memory of the device for the states of sessions; those used least move to memory");
  AddBytes(app, "--session-memory", server.session_memory, kMaxBytes,
           "Memory for states that are not on the device; those used least are on disk only");
  AddBytes(app, "--session-disk", server.session_disk, kMaxBytes,
           "Disk for states; when it is used up, no session is opened");
  AddDuration(app, "--session-ttl", server.session_time_to_live, kMaxTimeToLive,
              "How long a session stays when no call uses it");
  AddNumber(app, "--max-streams", server.max_streams, kMaxCount, "Generate calls under way");
  AddNumber(
      app, "--max-streams-per-caller", server.max_streams_per_caller, {.min = 0, .max = kMaxCount},
      "Calls under way that generate or score, of each caller whose token has no max_streams; "
      "0: any");
  AddNumber(app, "--max-calls-per-connection", server.max_calls_per_connection, kMaxCount,
            "Calls of any kind on one connection; its client keeps further ones until one ends");
  AddDuration(app, "--handshake-timeout", server.handshake_timeout, absl::Hours(1),
              "For TLS and HTTP/2 to begin on a connection; one where they have not is closed");
  AddDuration(app, "--keepalive-time", server.keepalive_time, absl::Hours(1),
              "How long a connection may be silent until its client is asked whether it is there");
  AddDuration(app, "--keepalive-timeout", server.keepalive_timeout, absl::Hours(1),
              "For a client to answer that; the connection of one that does not is closed");
  AddDuration(app, "--min-ping-interval", server.min_ping_interval, absl::Minutes(5),
              "How often a client may ask whether the server is there; the connection of one that "
              "does so more often is closed at the third time");
  AddBytes(app, "--max-message-bytes", server.max_message_bytes, {.min = 512 << 10, .max = 1 << 30},
           "Size of one message of a client, at least 512 KiB; the API has chunks and prompts of "
           "up to 1 MiB");
  AddBytes(app, "--max-metadata-bytes", server.max_metadata_bytes, {.min = 1 << 10, .max = 1 << 20},
           "Size of a call's metadata, its token among them, from 1 KiB to 1 MiB");
  AddNumber(app, "--max-running-jobs", server.max_running_jobs, kMostRunningJobs,
            "Training jobs that run at once, at most 16, each with its share of the time that the "
            "device trains; a job that does not fit into its memory beside those that run waits");
  AddNumber(app, "--max-queued-jobs", server.max_queued_jobs, kMaxCount, "Training jobs that wait");
  AddBytes(app, "--max-corpus-bytes", server.max_corpus_bytes, kMaxBytes,
           "Size of one corpus as sent");
  AddBytes(app, "--max-model-bytes", server.max_model_bytes, kMaxBytes,
           "Size of the file of one imported model");
  AddBytes(app, "--max-prompt-bytes", server.max_prompt_bytes, 1 << 20,
           "Size of one prompt, at most 1 MiB");
  AddBytes(app, "--weights-memory", server.weights_memory, kMaxBytes,
           "Memory of the device for the weights of published models");
  AddDuration(app, "--grace", server.grace, absl::Hours(24),
              "How long calls under way may go on once the server was told to stop");
  app.add_option("--port-file", line.port_file,
                 "Gets the addresses served, as lines 'grpc ADDRESS' and 'metrics ADDRESS'")
      ->type_name("FILE");
  CLI::Option* backup = app.add_option("--backup", line.backup,
                                       "Copy the data of --data-dir, also while a server works "
                                       "with it, to this new folder, and end");
  backup->type_name("DIR")->configurable(false);  // a deed, and no setting
  app.add_option("--restore", line.restore,
                 "Make --data-dir, a new folder, of this copy that --backup wrote, and end")
      ->type_name("DIR")
      ->configurable(false)
      ->excludes(backup);
  app.add_option("--log-level", line.log_level, "What to log to standard error")
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "off"}).description(""))
      ->type_name("trace|debug|info|warning|error|off")
      ->capture_default_str();
  app.add_option("--log-format", line.log_format,
                 "How: text for people, or json, an object in each line")
      ->check(CLI::IsMember({"text", "json"}).description(""))
      ->type_name("text|json")
      ->capture_default_str();
}

constexpr char kFooter[] =
    "Values: a TIME is such as 90s, 15m or 1h30m, or a number of seconds; BYTES are a number, or "
    "one "
    "with\n"
    "a unit, such as 64MiB or 2GiB.\n"
    "Signals: SIGTERM and SIGINT end the server within --grace, a second one at once. SIGHUP has "
    "the\n"
    "file of --tokens read again, and --log-level and --grace in that of --config; those of TLS "
    "are\n"
    "taken when they change; all else wants a restart.\n"
    "Exit status: 0 ended as told, 1 cannot start or go on, 2 bad usage.";

// With dashes in front as flags, without as options of the configuration file.
std::vector<std::string> OptionNames(const CLI::App& app, bool flags) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    if (!flags && !option->get_configurable()) continue;
    for (const std::string& name : option->get_lnames())
      names.push_back((flags ? "--" : "") + name);
  }
  return names;
}

// What is wrong with the file that --config names.
std::string WhatIsWrongInFile(const CLI::App& app, const std::string& said) {
  const std::string file = app.get_config_ptr()->as<std::string>();
  const std::string unknown = "INI was not able to parse ";
  if (!said.starts_with(unknown)) return absl::StrCat(file, ": ", said);
  const std::string name = said.substr(unknown.size());
  return absl::StrCat(file, ": unknown option '", name, "'",
                      DidYouMean(name, OptionNames(app, /*flags=*/false)));
}

// CLI11's error in derind's words.
std::string WhatIsWrong(const CLI::App& app, const CLI::ParseError& error) {
  const std::string said = error.what();
  if (dynamic_cast<const CLI::ConfigError*>(&error) != nullptr) return WhatIsWrongInFile(app, said);
  if (const std::vector<std::string> left = app.remaining(); !left.empty()) {
    if (!left[0].starts_with("-")) return absl::StrCat("one word too many: '", left[0], "'");
    const std::string flag = left[0].substr(0, left[0].find('='));
    return absl::StrCat("unknown flag '", flag, "'",
                        DidYouMean(flag, OptionNames(app, /*flags=*/true)));
  }
  if (said.ends_with(" missing")) return said.substr(0, said.find(':')) + " wants a value";
  return said;
}

// Where options come from besides flags, and what may be done with them instead of serving.
void AddConfigOptions(CLI::App& app, bool& check, bool& print) {
  app.set_config("--config", "", "TOML file with any of these options, without their dashes")
      ->type_name("FILE");
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.config_formatter(std::make_shared<ConfigFile>());
  CLI::Option* checks = app.add_flag("--check-config", check,
                                     "Say whether a server could start with these options, or what "
                                     "is wrong with them, and do nothing")
                            ->configurable(false);
  app.add_flag("--print-config", print,
               "Write all options as they are now, as --config reads them, and do nothing")
      ->configurable(false)
      ->excludes(checks);
}

}  // namespace

std::variant<CommandLine, int> ParseCommandLine(
    int argc, const char* const* argv, const std::optional<std::filesystem::path>& data_directory) {
  CommandLine line;
  CLI::App app("The Derin server: trains recurrent language models and serves text from them.",
               "derind");
  // So that flags can be added to a command that is given, such as an image's.
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  CLI::Option* data =
      app.add_option("--data-dir", line.server.data_directory,
                     "Folder of everything that must survive the server; without it "
                     "$XDG_STATE_HOME/derin, or ~/.local/state/derin");
  data->type_name("DIR");
  if (data_directory.has_value()) {
    line.server.data_directory = *data_directory;
    data->capture_default_str();
  } else {
    data->required();
  }
  AddOptions(app, line);
  bool print_config = false;
  AddConfigOptions(app, line.check_config, print_config);
  app.set_version_flag("--version", absl::StrCat("derind ", Version()));
  AddGeneratedText(app, Version(), "derin");
  app.footer(kFooter);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // --help and --version.
    if (error.get_exit_code() == 0) return app.exit(error);
    std::cerr << "derind: " << WhatIsWrong(app, error) << "\nsee: derind --help\n";
    return 2;
  }
  if (print_config) {
    std::cout << app.config_to_str(/*default_also=*/true, /*write_description=*/true);
    return 0;
  }
  return line;
}

}  // namespace derin::server
