#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/backend/backend.h"
#include "server/server_options.h"

namespace derin::server {

// Of this program, such as `0.1.0`.
std::string Version();

// A whole server: owns every part, from the data directory to the port.
class Server {
 public:
  // Serves when it returns, computing on `backend`, or without one on what options.device names. An
  // error says what is wrong with the options or the machine; then nothing is left behind. When the
  // device is lost, the server says that it does not serve, and refuses what needs the device.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       std::unique_ptr<Backend> backend = nullptr);
  // Shuts down without grace, unless that was done.
  ~Server();

  // Where it listens, with the real port.
  const std::string& address() const;
  // The same of the pages for operators; empty when there are none.
  const std::string& metrics_address() const;
  // What computes, for people: its backend, device, instructions, threads and engine id.
  std::string Device() const;

  // Reads the file of tokens again, where there is one; how many tokens there are now. After an
  // error all stays as it was. Any thread.
  absl::StatusOr<size_t> ReloadTokens();

  // Takes no new work from here on, lets calls under way go on for at most `grace`, ends what is
  // left: streams of text with their position, training jobs so that they are queued again. Blocks
  // until all is over.
  void Shutdown(absl::Duration grace);
  // Ends the grace of a Shutdown under way. Any thread.
  void Hurry();

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);

  const std::unique_ptr<Parts> parts_;
};

}  // namespace derin::server
