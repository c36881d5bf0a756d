#pragma once

namespace derin::server {

// While it lives no bytes of a file reach the disk, which looks like a disk that fails to whoever
// syncs: writes go through, and fdatasync is EIO. For the whole process, as the next one.
class FailingSyncs {
 public:
  FailingSyncs();
  FailingSyncs(const FailingSyncs&) = delete;
  FailingSyncs& operator=(const FailingSyncs&) = delete;
  ~FailingSyncs();
};

// While it lives the disk has so much to do that whoever syncs a file's bytes waits.
class StalledSyncs {
 public:
  StalledSyncs();
  StalledSyncs(const StalledSyncs&) = delete;
  StalledSyncs& operator=(const StalledSyncs&) = delete;
  ~StalledSyncs();

  // Until somebody waits.
  void AwaitOne() const;
};

}  // namespace derin::server
