#pragma once

#include <filesystem>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/storage/file_copy.h"

namespace derin::server {

// Copies the data directory `data`, which a server may be working in, to the new folder `target`:
// what a server finds that was killed at some moment of the call. Takes no lock, and neither waits
// for the server nor lets it wait. Every file is read back and its digest written down; the folder
// has its name only when all is there. FORMAT.md beside this file says what is in it.
//
// FAILED_PRECONDITION, reason NOT_EMPTY, when `target` is not free, reason NO_DATA_DIRECTORY, when
// there is none at `data`; DATA_LOSS, naming it, when a file is damaged; ABORTED, reason
// BACKUP_OVERTAKEN, when the server removes things faster than they can be copied.
absl::StatusOr<CopyReport> WriteBackup(const std::filesystem::path& data,
                                       const std::filesystem::path& target, absl::Time now,
                                       const CopyListener& listener);

}  // namespace derin::server
