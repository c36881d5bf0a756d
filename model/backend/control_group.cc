#include "model/backend/control_group.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>

namespace derin {
namespace {

constexpr std::string_view kVersion2 = "0::/";

// The number in a file that has nothing else; none where it is `max` or not there.
std::optional<int64_t> Number(const std::filesystem::path& file) {
  int64_t number = 0;
  if (!(std::ifstream(file) >> number)) return std::nullopt;
  return number;
}

// The number behind `key` in a file of such lines; 0 where it is not there.
int64_t NumberOf(const std::filesystem::path& path, std::string_view key) {
  std::ifstream file(path);
  std::string name;
  for (int64_t number = 0; file >> name >> number;) {
    if (name == key) return number;
  }
  return 0;
}

template <typename T>
void TakeLess(std::optional<T>& least, T value) {
  least = std::min(least.value_or(value), value);
}

}  // namespace

ControlGroup::ControlGroup(const std::filesystem::path& membership,
                           const std::filesystem::path& mount) {
  std::ifstream file(membership);
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, kVersion2.size(), kVersion2) != 0) continue;
    std::filesystem::path folder = mount / line.substr(kVersion2.size());
    for (; folder != mount && folder.has_relative_path(); folder = folder.parent_path()) {
      folders_.push_back(folder);
    }
    // Of a container this is its own.
    folders_.push_back(mount);
    return;
  }
}

std::optional<int64_t> ControlGroup::memory_bytes() const {
  std::optional<int64_t> least;
  for (const auto& folder : folders_) {
    if (const auto most = Number(folder / "memory.max")) TakeLess(least, *most);
  }
  return least;
}

std::optional<int64_t> ControlGroup::free_memory_bytes() const {
  std::optional<int64_t> least;
  for (const auto& folder : folders_) {
    const auto most = Number(folder / "memory.max"), taken = Number(folder / "memory.current");
    if (!most || !taken) continue;
    const int64_t reclaimed = NumberOf(folder / "memory.stat", "inactive_file");
    TakeLess(least, std::clamp<int64_t>(*most - *taken + reclaimed, 0, *most));
  }
  return least;
}

std::optional<int> ControlGroup::processors() const {
  std::optional<int> least;
  for (const auto& folder : folders_) {
    double quota = 0, period = 0;
    if (!(std::ifstream(folder / "cpu.max") >> quota >> period) || !(period > 0)) continue;
    TakeLess(least, std::max(1, static_cast<int>(std::ceil(quota / period))));
  }
  return least;
}

}  // namespace derin
