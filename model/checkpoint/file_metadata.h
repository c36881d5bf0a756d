#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace derin {

// The strings that a safetensors file has beside its tensors. Errors begin with `kind`, what the
// file should be: "model file".
using FileMetadata = std::map<std::string, std::string>;

inline constexpr char kFormatKey[] = "derin.format";

// DATA_LOSS: "damaged KIND: WHAT".
absl::Status DamagedFile(std::string_view kind, std::string_view what);

// The string under `key`; DATA_LOSS when there is none.
absl::StatusOr<std::string> RequiredMetadata(std::string_view kind, const FileMetadata& metadata,
                                             const char* key);

// DATA_LOSS unless kFormatKey has a number from 1; UNIMPLEMENTED when it is above `newest`, the
// newest that this program reads.
absl::Status CheckFileFormat(std::string_view kind, const FileMetadata& metadata, int newest);

// Member `name` of `object`, an integer in [lowest, highest], both from 0; DATA_LOSS otherwise.
absl::StatusOr<int64_t> IntegerMember(const nlohmann::json& object, const char* name,
                                      int64_t lowest, int64_t highest);

}  // namespace derin
