#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

#include "absl/status/status.h"

namespace derin::server {

// Copies the segment log in the folder `from`, which a SegmentLog may go on writing, compacting and
// dropping from in another process, to the empty folder `to`. Afterwards `to` is what the log
// would have been, had the process died at some moment during the call: every record that was
// appended before the call is there, unless the log itself dropped it.
//
// Segments with an index never change and are linked where that is possible; of the others, what
// was there is copied, and of the newest only whole records. `before` hears the name of each
// segment before it is copied. ABORTED, reason BACKUP_OVERTAKEN, when segments go faster than they
// are copied. A folder that is not there is an empty log.
absl::Status CopySegmentLog(const std::filesystem::path& from, const std::filesystem::path& to,
                            const std::function<void(std::string_view)>& before);

}  // namespace derin::server
