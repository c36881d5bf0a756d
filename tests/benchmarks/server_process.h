#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "derin/client/client.h"

namespace derin {

// A derind as a process of its own, and a client of it.
class ServerProcess {
 public:
  // Its data are in `folder`/data, which is there or not.
  ServerProcess(const std::string& derind, const std::filesystem::path& folder,
                const std::vector<std::string>& flags = {});
  ~ServerProcess() { Kill(); }

  client::Client& client() { return *client_; }
  const std::string& address() const { return address_; }
  // Until it served.
  double start_seconds() const { return start_seconds_; }
  void Kill();
  // Of the process's own memory, in bytes: without files that the system keeps in its cache.
  int64_t Memory() const;

 private:
  pid_t process_ = 0;
  double start_seconds_ = 0;
  std::string address_;
  std::unique_ptr<client::Client> client_;
};

}  // namespace derin
