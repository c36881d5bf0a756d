// What training and generation on one pool cost each other: each alone, then both at once.
// Generation draws a token for 8 sessions, pauses as long as the step took, and so on, as an engine
// with something else to do would.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include "model/check.h"
#include "tests/benchmarks/work.h"

namespace derin {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kTime(3);

double Seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

// Trains until `stop`; the tokens/s.
double Train(Work& work, const std::atomic<bool>& stop) {
  int64_t tokens = 0;
  const auto start = Clock::now();
  while (!stop) {
    DERIN_CHECK(work.Run().ok());
    tokens += work.tokens();
  }
  return static_cast<double>(tokens) / Seconds(Clock::now() - start);
}

// Generates for kTime; the times of the steps in ascending order, in seconds.
std::vector<double> Generate(Work& work) {
  std::vector<double> times;
  for (const auto start = Clock::now(); Clock::now() - start < kTime;) {
    const auto begin = Clock::now();
    DERIN_CHECK(work.Run().ok());
    const auto end = Clock::now();
    times.push_back(Seconds(end - begin));
    while (Clock::now() - end < end - begin) std::this_thread::yield();
  }
  std::sort(times.begin(), times.end());
  return times;
}

void Report(const char* name, const std::vector<double>& times) {
  const auto at = [&](double share) {
    return 1e6 * times[static_cast<size_t>(share * (times.size() - 1))];
  };
  std::printf("%-28s %8zu steps: %6.0f us median, %6.0f us 99 %%, %6.0f us worst\n", name,
              times.size(), at(0.5), at(0.99), at(1));
}

void Measure() {
  const WorkShape training{.model = {.layers = 2, .hidden = 256, .vocabulary = 28}};
  WorkShape generation = training;
  generation.batch = 8;
  const std::unique_ptr<Backend> backend = BackendFor(training);
  const std::unique_ptr<Work> train = *NewTrainingWork(*backend, training);
  const std::unique_ptr<Work> generate = *NewGenerationWork(*backend, generation);
  std::printf("training %s\ngeneration %s\n\n", training.Name().c_str(), generation.Name().c_str());

  std::atomic<bool> stop = false;
  double trained = 0;
  std::thread alone([&] { trained = Train(*train, stop); });
  std::this_thread::sleep_for(kTime);
  stop = true;
  alone.join();
  std::printf("%-28s %8.1fk tokens/s\n", "training alone", trained / 1e3);
  Report("generation alone", Generate(*generate));

  stop = false;
  std::thread beside([&] { trained = Train(*train, stop); });
  const std::vector<double> times = Generate(*generate);
  stop = true;
  beside.join();
  std::printf("%-28s %8.1fk tokens/s\n", "training beside generation", trained / 1e3);
  Report("generation beside training", times);
}

}  // namespace
}  // namespace derin

int main() { derin::Measure(); }
