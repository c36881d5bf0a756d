#pragma once

namespace derin::server {

// While it lives no bytes of a file reach the disk, which looks like a disk that fails to whoever
// syncs: writes go through, and fdatasync is EIO. For the whole process.
class FailingSyncs {
 public:
  FailingSyncs();
  FailingSyncs(const FailingSyncs&) = delete;
  FailingSyncs& operator=(const FailingSyncs&) = delete;
  ~FailingSyncs();
};

}  // namespace derin::server
