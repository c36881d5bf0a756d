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

inline void WaitUntilItSleeps(pid_t thread) {
  while (!Sleeps(thread)) sched_yield();
}

}  // namespace derin::cpu
