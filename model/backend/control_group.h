#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

namespace derin {

// What the control group that the process is in, and those above it, let it have: in a container
// less than the machine has. Version 2, of Linux' Documentation/admin-guide/cgroup-v2.rst; without
// one there are no limits.
class ControlGroup {
 public:
  // `membership` says which one it is, in the hierarchy that is mounted at `mount`.
  explicit ControlGroup(const std::filesystem::path& membership = "/proc/self/cgroup",
                        const std::filesystem::path& mount = "/sys/fs/cgroup");

  // The least memory.max, in bytes; none where there is no limit.
  std::optional<int64_t> memory_bytes() const;
  // What may still be taken of the memory that has the least left; the pages of files that nobody
  // has used lately make room.
  std::optional<int64_t> free_memory_bytes() const;
  // So many processors' time the least cpu.max is, at least one.
  std::optional<int> processors() const;

 private:
  std::vector<std::filesystem::path> folders_;  // its own, and those above it
};

}  // namespace derin
