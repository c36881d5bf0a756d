#include "server/metrics/process_figures.h"

#include <dirent.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

namespace derin::server {

namespace {

// Field `number` of /proc/self/stat, counted from 1 as proc(5) does, at least 3.
double StatField(int number) {
  std::ifstream stat("/proc/self/stat");
  std::string text;
  std::getline(stat, text);
  // The second field, the program's name, may hold spaces and parentheses.
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < number; ++field) fields >> skipped;
  double value = 0;
  fields >> value;
  return value;
}

double TicksPerSecond() { return static_cast<double>(sysconf(_SC_CLK_TCK)); }

// Seconds since 1970 at which the machine started.
double BootTimeSeconds() {
  std::ifstream stat("/proc/stat");
  std::string word;
  double seconds = 0;
  while (stat >> word) {
    if (word == "btime") {
      stat >> seconds;
      break;
    }
  }
  return seconds;
}

}  // namespace

double ProcessResidentMemoryBytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t total_pages = 0, resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return static_cast<double>(resident_pages * sysconf(_SC_PAGESIZE));
}

double ProcessCpuSeconds() { return (StatField(14) + StatField(15)) / TicksPerSecond(); }

double ProcessOpenFileDescriptors() {
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  int64_t entries = 0;
  while (readdir(folder) != nullptr) ++entries;
  closedir(folder);
  return static_cast<double>(entries - 3);  // `.`, `..` and the folder's own descriptor
}

double ProcessStartTimeSeconds() {
  static const double start = BootTimeSeconds() + StatField(22) / TicksPerSecond();
  return start;
}

}  // namespace derin::server
