#include <grpc/support/log.h>
#include <pthread.h>
#include <sched.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "model/checkpoint/durable_file.h"
#include "server/backup_command.h"
#include "server/logging/log_format.h"
#include "server/options_check.h"
#include "server/server.h"
#include "server/server_options.h"

namespace derin::server {
namespace {

// Where the XDG base directory specification puts what must survive a program: $XDG_STATE_HOME, or
// ~/.local/state.
std::optional<std::filesystem::path> DefaultDataDirectory() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') {
    return std::filesystem::path(state) / "derin";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
    return std::filesystem::path(home) / ".local" / "state" / "derin";
  }
  return std::nullopt;
}

void LogForGrpc(gpr_log_func_args* line) {
  const spdlog::level::level_enum level =
      line->severity == GPR_LOG_SEVERITY_ERROR ? spdlog::level::warn : spdlog::level::debug;
  spdlog::log(level, "gRPC: {}", line->message);
}

void StartLogging(const std::string& level, const std::string& format) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("derind"));
  spdlog::set_formatter(NewLogFormatter(format == "json" ? LogFormat::kJson : LogFormat::kText));
  spdlog::set_level(spdlog::level::from_str(level));
  gpr_set_log_function(LogForGrpc);
}

sigset_t SetOf(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  return set;
}

void ReloadTokens(const CommandLine& line, Server& server) {
  if (line.server.tokens.empty()) return;
  const absl::StatusOr<size_t> tokens = server.ReloadTokens();
  if (tokens.ok()) {
    spdlog::info("Got SIGHUP: {} tokens are known now", *tokens);
  } else {
    spdlog::error("Got SIGHUP; the tokens stay as they were: {}",
                  std::string(tokens.status().message()));
  }
}

// What SIGHUP does. `reread` is the command line once more, with the file of --config as it is now.
void Reload(const std::variant<CommandLine, int>& reread, CommandLine& line, Server& server) {
  if (const CommandLine* now = std::get_if<CommandLine>(&reread); now == nullptr) {
    spdlog::error("Got SIGHUP; the options stay as they were: standard error has what is wrong");
  } else {
    line.log_level = now->log_level;
    line.server.grace = now->server.grace;
    spdlog::set_level(spdlog::level::from_str(line.log_level));
    spdlog::info("Got SIGHUP: the log level is {} now, the grace {}", line.log_level,
                 absl::FormatDuration(line.server.grace));
  }
  ReloadTokens(line, server);
}

std::string PortFile(const Server& server) {
  std::string lines = absl::StrCat("grpc ", server.address(), "\n");
  if (!server.metrics_address().empty()) {
    absl::StrAppend(&lines, "metrics ", server.metrics_address(), "\n");
  }
  return lines;
}

// A second signal ends the grace that the first one gave.
void Drain(Server& server, absl::Duration grace, const sigset_t& signals) {
  std::thread second_signal([&server, &signals] {
    int signal = 0;
    sigwait(&signals, &signal);
    server.Hurry();
  });
  server.Shutdown(grace);
  pthread_kill(second_signal.native_handle(), SIGTERM);
  second_signal.join();
}

// --check-config.
int Check(const CommandLine& line) {
  const std::vector<std::string> faults = FaultsOf(line);
  for (const std::string& fault : faults) std::cerr << "derind: " << fault << '\n';
  if (!faults.empty()) return 1;
  std::cout << SummaryOf(line);
  return 0;
}

// Has no thread of this process preempt another by waking up, as threads that were asleep otherwise
// do: all workers of a step would wait for the one whose core was taken in the middle of it. Who is
// ready to run gets its turn when a worker waits, or after a time slice. Only a wish, and not where
// whoever started the process has chosen something else.
void PreferThroughput() {
  if (sched_getscheduler(0) != SCHED_OTHER) return;
  const sched_param priority = {};
  sched_setscheduler(0, SCHED_BATCH, &priority);
}

// `reread` says what the command line and the file that it names are now.
int Run(CommandLine line, const std::function<std::variant<CommandLine, int>()>& reread) {
  StartLogging(line.log_level, line.log_format);
  if (!line.backup.empty() || !line.restore.empty()) return RunBackupCommand(line);
  PreferThroughput();  // before any thread is made: they all inherit it
  // Likewise, so that only sigwait gets these.
  const sigset_t stop_signals = SetOf({SIGINT, SIGTERM});
  const sigset_t signals = SetOf({SIGINT, SIGTERM, SIGHUP});
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // Debian builds Abseil without NDEBUG, where each lock looks for deadlocks under a lock of all.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file at its limit is a full disk, which is an error

  absl::StatusOr<std::unique_ptr<Server>> started = Server::Start(line.server);
  if (!started.ok()) {
    spdlog::critical("Cannot start: {}", std::string(started.status().message()));
    return 1;
  }
  Server& server = **started;
  if (!line.port_file.empty()) {
    if (absl::Status status = WriteDurably(line.port_file, PortFile(server)); !status.ok()) {
      spdlog::critical("Cannot write the port file: {}", std::string(status.message()));
      return 1;
    }
  }
  spdlog::info("derind {} serves on {} (metrics: {}), computes on {}, keeps its data in {}",
               Version(), server.address(),
               server.metrics_address().empty() ? "none" : server.metrics_address(),
               server.Device(), line.server.data_directory.string());

  int signal = 0;
  while (sigwait(&signals, &signal) == 0 && signal == SIGHUP) Reload(reread(), line, server);
  spdlog::info("Got {}: stopping within {}", strsignal(signal),
               absl::FormatDuration(line.server.grace));
  Drain(server, line.server.grace, stop_signals);
  if (!line.port_file.empty()) {
    std::error_code ignored;
    std::filesystem::remove(line.port_file, ignored);
  }
  started->reset();
  spdlog::info("Stopped");
  return 0;
}

}  // namespace
}  // namespace derin::server

int main(int argc, char** argv) {
  using derin::server::CommandLine;
  const auto parse = [argc, argv] {
    return derin::server::ParseCommandLine(argc, argv, derin::server::DefaultDataDirectory());
  };
  const std::variant<CommandLine, int> parsed = parse();
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  const CommandLine& line = std::get<CommandLine>(parsed);
  return line.check_config ? derin::server::Check(line) : derin::server::Run(line, parse);
}
