#pragma once

#include <filesystem>
#include <string_view>

#include "absl/status/status.h"

namespace derin::server {

// Makes `folder` (mode 0700) below one that is there, and syncs that one, so that it survives a
// loss of power; OK when it was there already.
absl::Status MakeFolder(const std::filesystem::path& folder);

// Makes the names in `folder` survive a loss of power.
absl::Status SyncFolder(const std::filesystem::path& folder);

// What the system error `error` (an errno) means to callers: PERMISSION_DENIED, RESOURCE_EXHAUSTED
// (reason DISK_FULL) or FAILED_PRECONDITION, with the system's words. `doing` completes "cannot".
absl::Status SystemError(int error, std::string_view doing);

}  // namespace derin::server
