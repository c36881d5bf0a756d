#pragma once

#include <filesystem>

#include "absl/status/statusor.h"
#include "server/storage/file_copy.h"

namespace derin::server {

// Makes the data directory `data` of a backup that WriteBackup has made; the backup stays as it is,
// and the two share nothing. All of it is checked before anything is made. `data` has its name only
// when all is there.
//
// FAILED_PRECONDITION, reason DATA_DIRECTORY_IN_USE or NOT_EMPTY, when `data` is not free, reason
// NO_BACKUP, when there is none, reason BACKUP_TOO_NEW or METADATA_TOO_NEW, when a newer server
// wrote it; DATA_LOSS, reason BACKUP_DAMAGED, naming a file that is missing or not as it was
// written.
absl::StatusOr<CopyReport> RestoreBackup(const std::filesystem::path& backup,
                                         const std::filesystem::path& data,
                                         const CopyListener& listener);

}  // namespace derin::server
