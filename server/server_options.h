#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>

#include "absl/time/time.h"

namespace derin::server {

// What an operator decides about a server.
struct ServerOptions {
  // HOST:PORT, port 0 for any free one, or unix:PATH.
  std::string listen = "127.0.0.1:50051";
  // PEM files; with the first two the connections are encrypted, with the third only callers with a
  // certificate of these authorities are let in.
  std::filesystem::path tls_certificate;
  std::filesystem::path tls_key;
  std::filesystem::path tls_client_ca;
  // See ParseTokenFile; empty: everybody may do everything.
  std::filesystem::path tokens;
  // Listen, also for metrics, where other machines reach it, although anybody there may then do
  // everything.
  bool allow_insecure_remote = false;
  // HOST:PORT of the pages for operators, port 0 for any free one; empty: none.
  std::string metrics_listen = "127.0.0.1:9464";
  // unix:PATH of grpc.channelz.v1; empty: nowhere.
  std::string channelz_listen;
  // Folder of everything that must survive the server.
  std::filesystem::path data_directory;
  // A backend's name, `cuda:N` for another GPU than the first, or `auto`: a GPU that works here,
  // else the processor.
  std::string device = "auto";
  // Threads that compute together on the processor; 0: one for each core.
  int threads = 0;
  // Wherever their states are.
  int64_t max_sessions = 1'000'000;
  // Of the states of sessions: on the device, in memory, on disk.
  int64_t session_device_memory = int64_t{64} << 20;
  int64_t session_memory = int64_t{256} << 20;
  int64_t session_disk = int64_t{16} << 30;
  // How long a session stays when no call uses it; its caller may ask for less.
  absl::Duration session_time_to_live = absl::Hours(24);
  // Generate calls under way.
  int max_streams = 256;
  // Calls under way that generate or score, of each caller whose token says nothing else; 0: no
  // bound but max_streams.
  int max_streams_per_caller = 0;
  // Calls of any kind under way on one connection; its client keeps further ones until one ends.
  int max_calls_per_connection = 4096;
  // For TLS and HTTP/2 to begin on a connection; one where they have not by then is closed.
  absl::Duration handshake_timeout = absl::Seconds(10);
  // A client that has been silent for the first is asked whether it is there, and has the second to
  // answer. One that went away is gone after the sum: within 30 seconds.
  absl::Duration keepalive_time = absl::Seconds(15);
  absl::Duration keepalive_timeout = absl::Seconds(10);
  // A client may ask as often as this whether the server is there.
  absl::Duration min_ping_interval = absl::Seconds(5);
  // Bytes of one message of a client: a chunk or a prompt of 1 MiB, and a little around it.
  int64_t max_message_bytes = int64_t{2} << 20;
  // Bytes of a call's metadata, its token among them: names and values, with 32 for each.
  int64_t max_metadata_bytes = int64_t{8} << 10;
  // Training jobs that run at once, 1 to 16.
  int max_running_jobs = 1;
  // Training jobs that wait.
  int max_queued_jobs = 100;
  // Bytes of one corpus as sent.
  int64_t max_corpus_bytes = int64_t{1} << 30;
  // Bytes of the file of one imported model.
  int64_t max_model_bytes = int64_t{2} << 30;
  // Bytes of one prompt, at most 1 MiB.
  int64_t max_prompt_bytes = int64_t{1} << 20;
  // Bytes on the device for the weights of published versions.
  int64_t weights_memory = int64_t{1} << 30;
  // How long calls under way may go on once the server was told to stop.
  absl::Duration grace = absl::Seconds(10);
};

// All that the command line of derind says.
struct CommandLine {
  ServerOptions server;
  // Gets the addresses, once they are served, as lines `grpc ADDRESS` and `metrics ADDRESS`; empty:
  // none.
  std::filesystem::path port_file;
  // Nothing starts: it is only said whether a server could.
  bool check_config = false;
  // Instead of serving: the new folder that gets a copy of the data directory, or the copy that the
  // data directory is made of. At most one is not empty.
  std::filesystem::path backup;
  std::filesystem::path restore;
  // Lines below it are not logged: trace, debug, info, warning, error or off.
  std::string log_level = "info";
  // Of each line: `text` for people, or `json`.
  std::string log_format = "text";
};

// Reads flags and the file that --config names; flags win, and of a flag given twice the last.
// `data_directory` is where data goes unless said otherwise; without one, --data-dir is required.
// An exit status when there is nothing to run: 0 after --help and what else only prints, 2 after
// saying on standard error what is wrong.
std::variant<CommandLine, int> ParseCommandLine(
    int argc, const char* const* argv, const std::optional<std::filesystem::path>& data_directory);

}  // namespace derin::server
