#pragma once

#include <functional>

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace derin::server {

// The time of day, for what is stored.
using WallClock = std::function<absl::Time()>;

// Cut to the nanosecond; an infinite one becomes the farthest that fits.
google::protobuf::Timestamp ToTimestamp(absl::Time time);
// Seconds and nanoseconds are added up.
absl::Time FromTimestamp(const google::protobuf::Timestamp& timestamp);
google::protobuf::Duration ToProtoDuration(absl::Duration duration);
// Seconds and nanoseconds are added up, whatever their signs.
absl::Duration FromProtoDuration(const google::protobuf::Duration& duration);

}  // namespace derin::server
