#include "tests/benchmarks/server_process.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "model/check.h"

extern char** environ;

namespace derin {

ServerProcess::ServerProcess(const std::string& derind, const std::filesystem::path& folder,
                             const std::vector<std::string>& flags) {
  const auto start = std::chrono::steady_clock::now();
  const std::string port_file = folder / "ports";
  std::filesystem::remove(port_file);
  std::vector<std::string> arguments{derind,        "--data-dir",  folder / "data",
                                     "--listen",    "127.0.0.1:0", "--metrics-listen",
                                     "127.0.0.1:0", "--port-file", port_file,
                                     "--log-level", "error"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  std::vector<char*> pointers;
  for (std::string& one : arguments) pointers.push_back(one.data());
  pointers.push_back(nullptr);
  DERIN_CHECK(posix_spawn(&process_, derind.c_str(), nullptr, nullptr, pointers.data(), environ) ==
              0);
  std::string word;
  while (address_.empty()) {
    std::ifstream ports(port_file);
    ports >> word >> address_;
    if (address_.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  start_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  client_ = *client::Client::Connect({.address = address_});
}

void ServerProcess::Kill() {
  if (process_ == 0) return;
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
  process_ = 0;
}

int64_t ServerProcess::Memory() const {
  std::ifstream status(absl::StrCat("/proc/", process_, "/status"));
  for (std::string key; status >> key;) {
    int64_t kilobytes = 0;
    if (key == "RssAnon:" && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

}  // namespace derin
