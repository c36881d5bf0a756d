#include "model/backend/cuda/timing_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "model/backend/cuda/algorithm_timing.h"

namespace derin::cuda {
namespace {

// A line is `ok MILLISECONDS`, or `error CODE MESSAGE`.
std::string LineOf(const absl::StatusOr<double>& answer) {
  if (answer.ok()) return absl::StrFormat("ok %.6f\n", *answer);
  std::string message(answer.status().message());
  for (char& one : message) {
    if (one == '\n') one = ' ';
  }
  return absl::StrFormat("error %d %s\n", static_cast<int>(answer.status().code()), message);
}

absl::StatusOr<double> AnswerOf(const std::string& line) {
  double milliseconds = 0;
  if (line.starts_with("ok ") && absl::SimpleAtod(line.substr(3), &milliseconds)) {
    return milliseconds;
  }
  const size_t space = line.find(' ', 6);
  int code = 0;
  if (line.starts_with("error ") && space != std::string::npos &&
      absl::SimpleAtoi(line.substr(6, space - 6), &code) && code != 0) {
    return absl::Status(static_cast<absl::StatusCode>(code), line.substr(space + 1));
  }
  return absl::AbortedError(absl::StrCat("the timing process said '", line, "'"));
}

// A process whose output is read line by line. Killed and waited for when the object goes.
class Child {
 public:
  Child(const std::string& program, const std::vector<std::string>& words) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return;
    output_ = ends[0];
    std::vector<std::string> arguments = {program};
    arguments.insert(arguments.end(), words.begin(), words.end());
    std::vector<char*> pointers;
    pointers.reserve(arguments.size() + 1);
    for (std::string& one : arguments) pointers.push_back(one.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    error_ = posix_spawn(&process_, program.c_str(), &actions, nullptr, pointers.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (error_ != 0) process_ = 0;
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (output_ >= 0) close(output_);
    if (process_ == 0) return;
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }

  // Nothing when the output has ended, or where `deadline` comes first.
  std::optional<std::string> ReadLine(absl::Time deadline) {
    size_t end;
    while ((end = text_.find('\n')) == std::string::npos) {
      const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
      pollfd ready = {.fd = output_, .events = POLLIN, .revents = 0};
      if (output_ < 0 || left <= 0 || poll(&ready, 1, static_cast<int>(left)) <= 0) return {};
      char bytes[512];
      const ssize_t count = read(output_, bytes, sizeof bytes);
      ended_ = count <= 0;
      if (ended_) return {};
      text_.append(bytes, count);
    }
    std::string line = text_.substr(0, end);
    text_.erase(0, end + 1);
    return line;
  }

  // How it came to an end before it had answered.
  absl::Status End() {
    if (process_ == 0) {
      return absl::AbortedError(absl::StrCat("it cannot be started: ", std::strerror(error_)));
    }
    if (!ended_) return absl::DeadlineExceededError("it took too long");
    int status = 0;
    if (waitpid(std::exchange(process_, 0), &status, 0) < 0) {
      return absl::AbortedError("it is gone");
    }
    return absl::AbortedError(
        WIFSIGNALED(status)
            ? absl::StrFormat("it ended by signal %d", WTERMSIG(status))
            : absl::StrFormat("it ended early, with exit status %d", WEXITSTATUS(status)));
  }

 private:
  pid_t process_ = 0;
  int error_ = 0, output_ = -1;
  bool ended_ = false;
  std::string text_;
};

}  // namespace

std::vector<std::string> WordsOf(const TimingRequest& request) {
  const StackConfig& config = request.config;
  std::vector<std::string> words = {std::string(CellName(config.cell)),
                                    std::string(PrecisionName(config.precision))};
  for (const int number : {request.ordinal, config.layers, config.hidden, config.vocabulary,
                           request.extent.steps, request.extent.batch}) {
    words.push_back(absl::StrCat(number));
  }
  for (const WindowAlgorithm algorithm : request.algorithms) {
    words.emplace_back(AlgorithmName(algorithm));
  }
  return words;
}

absl::StatusOr<TimingRequest> ParseTimingRequest(const std::vector<std::string>& words) {
  constexpr size_t kNumbers = 6, kBefore = 2;
  TimingRequest request;
  request.extent.training = true;
  if (words.size() < kBefore + kNumbers) {
    return absl::InvalidArgumentError(
        absl::StrFormat("got %d words, wanted at least %d", words.size(), kBefore + kNumbers));
  }
  const auto cell = ParseCell(words[0]);
  if (!cell.ok()) return cell.status();
  const auto precision = ParsePrecision(words[1]);
  if (!precision.ok()) return precision.status();
  request.config.cell = *cell;
  request.config.precision = *precision;
  int* const numbers[kNumbers] = {&request.ordinal,       &request.config.layers,
                                  &request.config.hidden, &request.config.vocabulary,
                                  &request.extent.steps,  &request.extent.batch};
  for (size_t i = 0; i < kNumbers; ++i) {
    if (!absl::SimpleAtoi(words[kBefore + i], numbers[i])) {
      return absl::InvalidArgumentError(
          absl::StrFormat("got '%s', wanted a number", words[kBefore + i]));
    }
  }
  for (size_t i = kBefore + kNumbers; i < words.size(); ++i) {
    const auto algorithm = FindAlgorithm(words[i]);
    if (!algorithm) {
      return absl::InvalidArgumentError(
          absl::StrFormat("got '%s', wanted the name of an algorithm", words[i]));
    }
    request.algorithms.push_back(*algorithm);
  }
  return request;
}

std::vector<absl::StatusOr<double>> TimeInProcesses(const std::string& program,
                                                    const TimingRequest& request,
                                                    absl::Duration limit) {
  const absl::Time deadline = absl::Now() + limit;
  std::vector<absl::StatusOr<double>> answers;
  TimingRequest rest = request;
  while (!rest.algorithms.empty()) {
    Child child(program, WordsOf(rest));
    std::optional<std::string> line;
    do {
      line = child.ReadLine(deadline);
      if (line) {
        answers.push_back(AnswerOf(*line));
      } else {
        const absl::Status end = child.End();
        answers.push_back(absl::Status(
            end.code(), absl::StrCat("the process that times algorithms: ", end.message())));
      }
      rest.algorithms.erase(rest.algorithms.begin());
      // One to which the GPU is lost ends without an answer for the rest.
    } while (line && !rest.algorithms.empty() && !absl::IsUnavailable(answers.back().status()));
  }
  return answers;
}

int AnswerTimings(const CudaCalls& calls, const std::vector<std::string>& words, std::FILE* out) {
  constexpr int kBadUsage = 2;
  const auto request = ParseTimingRequest(words);
  if (!request.ok()) {
    const std::string message(request.status().message());
    std::fprintf(stderr, "%s\n", message.c_str());
    return kBadUsage;
  }
  const auto device = Device::Open(calls, request->ordinal);
  const auto time = [&](WindowAlgorithm algorithm) -> absl::StatusOr<double> {
    if (!device.ok()) return device.status();
    const auto queue = CudaQueue::Create(*device, QueuePriority::kTraining);
    if (!queue.ok()) return queue.status();
    return TimeOfTraining(**queue, request->config, request->extent, algorithm);
  };
  for (const WindowAlgorithm algorithm : request->algorithms) {
    std::fputs(LineOf(time(algorithm)).c_str(), out);
    std::fflush(out);
    if (device.ok() && !(*device)->lost().ok()) return 1;
  }
  return 0;
}

}  // namespace derin::cuda
