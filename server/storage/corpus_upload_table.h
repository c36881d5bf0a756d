#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "derin/storage/corpus_upload.pb.h"
#include "server/storage/database.h"

namespace derin::server {

// An upload that can go on after a break: a row, and a file of its bytes beside.
struct StoredUpload {
  std::string owner;
  std::string id;            // the caller's; two callers may have the same
  std::string file;          // its name; there is none once the upload has ended
  int64_t bytes = 0;         // of it, that are on the disk
  uint32_t crc32 = 0;        // of those
  absl::Time update_time{};  // cut to the microsecond
  storage::CorpusUploadRecord record{};
};

// Rows of the table `corpus_uploads`; MetadataStore says what the operations mean. All are called
// within a transaction or a lock of its.
namespace corpus_upload_table {

absl::Status Put(Database& database, const StoredUpload& upload);
absl::StatusOr<StoredUpload> Get(Database& database, std::string_view owner, std::string_view id);
// All of them, the longest untouched first.
absl::StatusOr<std::vector<StoredUpload>> List(Database& database);
// Those that have not ended.
absl::StatusOr<int64_t> CountOf(Database& database, std::string_view owner);
absl::Status Delete(Database& database, std::string_view owner, std::string_view id);

}  // namespace corpus_upload_table
}  // namespace derin::server
