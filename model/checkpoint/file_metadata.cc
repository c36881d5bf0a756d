#include "model/checkpoint/file_metadata.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "model/text/quoted.h"

namespace derin {

absl::Status DamagedFile(std::string_view kind, std::string_view what) {
  return absl::DataLossError(absl::StrFormat("damaged %s: %s", kind, what));
}

absl::StatusOr<std::string> RequiredMetadata(std::string_view kind, const FileMetadata& metadata,
                                             const char* key) {
  const auto found = metadata.find(key);
  if (found != metadata.end()) return found->second;
  return DamagedFile(kind, absl::StrFormat("it has no %s in its metadata", key));
}

absl::Status CheckFileFormat(std::string_view kind, const FileMetadata& metadata, int newest) {
  const absl::StatusOr<std::string> text = RequiredMetadata(kind, metadata, kFormatKey);
  if (!text.ok()) return text.status();
  int32_t format = 0;
  if (!absl::SimpleAtoi(*text, &format) || format < 1) {
    return DamagedFile(
        kind, absl::StrFormat("%s is %s; it must be a number from 1", kFormatKey, Quoted(*text)));
  }
  if (format <= newest) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrFormat(
      "the %s has format version %d; this program reads 1 to %d", kind, format, newest));
}

absl::StatusOr<int64_t> IntegerMember(const nlohmann::json& object, const char* name,
                                      int64_t lowest, int64_t highest) {
  const nlohmann::json member = object.value(name, nlohmann::json());
  if (member.is_number_unsigned()) {
    const auto number = member.get<uint64_t>();
    if (number >= static_cast<uint64_t>(lowest) && number <= static_cast<uint64_t>(highest)) {
      return static_cast<int64_t>(number);
    }
  }
  return absl::DataLossError(absl::StrFormat("%s is %s, wanted an integer from %d to %d", name,
                                             Quoted(member.dump()), lowest, highest));
}

}  // namespace derin
