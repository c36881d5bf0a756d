#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace derin::server {

// Names of the files in a SegmentLog's folder: ten digits, the segment's number, and what it is.
inline constexpr std::string_view kSegmentEnding = ".segment";
inline constexpr std::string_view kIndexEnding = ".index";

std::string SegmentName(uint32_t segment, std::string_view ending);

// The numbers, from 1, that have a file of each kind.
struct SegmentNumbers {
  std::set<uint32_t> segments;
  std::set<uint32_t> indexes;
};
// Other files are passed over; a folder that is not there has none.
absl::StatusOr<SegmentNumbers> ListSegments(const std::filesystem::path& folder);

}  // namespace derin::server
