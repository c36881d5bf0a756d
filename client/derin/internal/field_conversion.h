#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

// What the conversions of messages have in common: for the files conversion.cc and
// training_conversion.cc alone.
namespace derin::client::internal {

namespace v1 = derin::v1;

// Pairs of an enum's two spellings; what is not in the list is unspecified.
template <typename Ours, typename Theirs, size_t kCount>
struct EnumPairs {
  std::pair<Ours, Theirs> pairs[kCount];

  Ours From(Theirs value) const {
    for (const auto& [ours, theirs] : pairs) {
      if (theirs == value) return ours;
    }
    return Ours{};
  }
  Theirs To(Ours value) const {
    for (const auto& [ours, theirs] : pairs) {
      if (ours == value) return theirs;
    }
    return Theirs{};
  }
};

inline absl::Time ToTime(const google::protobuf::Timestamp& from) {
  return absl::FromUnixSeconds(from.seconds()) + absl::Nanoseconds(from.nanos());
}

inline google::protobuf::Duration FromDuration(absl::Duration from) {
  absl::Duration rest;
  google::protobuf::Duration to;
  to.set_seconds(absl::IDivDuration(from, absl::Seconds(1), &rest));
  to.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
  return to;
}

inline absl::Duration ToDuration(const google::protobuf::Duration& from) {
  return absl::Seconds(from.seconds()) + absl::Nanoseconds(from.nanos());
}

// A field of the same name on both sides, copied when it is set.
#define DERIN_READ(from, to, field) \
  if ((from).has_##field()) (to).field = (from).field()
#define DERIN_READ_TIME(from, to, field) \
  if ((from).has_##field()) (to).field = ToTime((from).field())
#define DERIN_WRITE(from, to, field) \
  if ((from).field.has_value()) (to).set_##field(*(from).field)

}  // namespace derin::client::internal
