#include "server/storage/segment_name.h"

#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "server/status/error.h"
#include "server/storage/folder.h"

namespace derin::server {
namespace {

constexpr size_t kDigits = 10;

// The number of the segment that has a file of this name; 0 when none has.
uint32_t NumberOf(std::string_view name, std::string_view ending) {
  uint32_t number = 0;
  if (name.size() != kDigits + ending.size() || !name.ends_with(ending)) return 0;
  const std::string digits(name.substr(0, kDigits));
  return absl::SimpleAtoi(digits, &number) && name == SegmentName(number, ending) ? number : 0;
}

}  // namespace

std::string SegmentName(uint32_t segment, std::string_view ending) {
  return absl::StrFormat("%010d%s", segment, ending);
}

absl::StatusOr<SegmentNumbers> ListSegments(const std::filesystem::path& folder) {
  SegmentNumbers numbers;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  if (error == std::errc::no_such_file_or_directory) return numbers;
  while (!error && entry != std::filesystem::directory_iterator()) {
    const std::string name = entry->path().filename().native();
    if (const uint32_t number = NumberOf(name, kSegmentEnding)) numbers.segments.insert(number);
    if (const uint32_t number = NumberOf(name, kIndexEnding)) numbers.indexes.insert(number);
    entry.increment(error);
  }
  if (!error) return numbers;
  return SystemError(error.value(), absl::StrFormat("list %s", Quoted(folder.native())));
}

}  // namespace derin::server
