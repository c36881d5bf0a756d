#pragma once

#include <sched.h>
#include <sys/types.h>

#include <fstream>
#include <string>

namespace derin::cpu {

// Whether the kernel has put a thread of this process to sleep.
inline bool Sleeps(pid_t thread) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string line;
  std::getline(file, line);
  // The state stands behind the name, which is in parentheses.
  const size_t name_end = line.rfind(')');
  return name_end != std::string::npos && line[name_end + 2] == 'S';
}

// Returns when a thread of this process has fallen asleep for longer than a moment, as one that
// waits for somebody does.
inline void WaitUntilItSleeps(pid_t thread) {
  for (int times = 0; times < 5; times = Sleeps(thread) ? times + 1 : 0) sched_yield();
}

}  // namespace derin::cpu
