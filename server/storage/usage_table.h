#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/storage/database.h"

namespace derin::server {

// What a caller has used since the server first counted. Tokens count each time that they are
// computed, also when a call is made again.
struct UsageFigures {
  int64_t prompt_tokens = 0;
  int64_t generated_tokens = 0;
  int64_t scored_tokens = 0;
  int64_t trained_tokens = 0;  // targets of trainings
  absl::Duration call_time;    // of calls of any kind that ended
  absl::Duration training_time;
  bool operator==(const UsageFigures&) const = default;
};

struct StoredUsage {
  std::string caller;
  UsageFigures figures;
};

// The table `usage`.
namespace usage_table {

// In place of what is stored of these callers.
absl::Status Put(Database& database, absl::Span<const StoredUsage> usage);
absl::StatusOr<std::vector<StoredUsage>> List(Database& database);

}  // namespace usage_table
}  // namespace derin::server
