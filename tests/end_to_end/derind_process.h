#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

namespace derin::server {

// The program itself, with its standard output and error in a pipe.
class Derind {
 public:
  explicit Derind(std::vector<std::string> arguments,
                  std::vector<std::string> environment = {"HOME=/nonexistent"}) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    output_ = ends[0];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    arguments.insert(arguments.begin(), DERIND);
    EXPECT_EQ(posix_spawn(&process_, DERIND, &actions, nullptr, Pointers(arguments).data(),
                          Pointers(environment).data()),
              0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
  }
  Derind(Derind&&) = delete;
  ~Derind() {
    if (process_ != 0) {
      Kill(SIGKILL);
      ExitStatus();
    }
    close(output_);
  }

  void Kill(int signal) { kill(process_, signal); }

  // Reads until `text` was printed; all that was printed so far. Ends with the program.
  const std::string& AwaitOutput(const std::string& text) {
    char buffer[4096];
    while (printed_.find(text) == std::string::npos) {
      const ssize_t got = read(output_, buffer, sizeof(buffer));
      if (got <= 0) break;
      printed_.append(buffer, got);
    }
    return printed_;
  }

  // Waits for the end; -1 when a signal ended it.
  int ExitStatus() {
    AwaitOutput("text that is never printed");
    int status = 0;
    waitpid(std::exchange(process_, 0), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  const std::string& printed() const { return printed_; }

 private:
  static std::vector<char*> Pointers(std::vector<std::string>& strings) {
    std::vector<char*> pointers;
    for (std::string& string : strings) pointers.push_back(string.data());
    pointers.push_back(nullptr);
    return pointers;
  }

  pid_t process_ = 0;
  int output_ = -1;
  std::string printed_;
};

}  // namespace derin::server
