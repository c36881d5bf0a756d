#include "server/storage/resource_name.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

constexpr size_t kMaxIdLength = 63;
constexpr std::string_view kVersions = "/versions/";
constexpr std::string_view kWantedId = "1 to 63 characters a-z, 0-9 and -, the first a letter";

bool IsLetter(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsId(std::string_view id) {
  return !id.empty() && id.size() <= kMaxIdLength && IsLetter(id[0]) &&
         std::all_of(id.begin(), id.end(),
                     [](char c) { return IsLetter(c) || IsDigit(c) || c == '-'; });
}

// 0 when `text` is not a number from 1 as we write it.
int64_t ParseVersion(std::string_view text) {
  int64_t version = 0;
  if (text.empty() || text[0] == '0' || !std::all_of(text.begin(), text.end(), IsDigit)) return 0;
  return absl::SimpleAtoi(absl::string_view(text.data(), text.size()), &version) ? version : 0;
}

}  // namespace

absl::Status CheckId(std::string_view id, std::string_view field) {
  if (IsId(id)) return absl::OkStatus();
  return InvalidField(field, absl::StrFormat("got %s, wanted %s", Quoted(id), kWantedId));
}

std::string ResourceName(std::string_view collection, std::string_view id) {
  return absl::StrFormat("%s/%s", collection, id);
}

absl::StatusOr<std::string> ParseResourceName(std::string_view collection, std::string_view name,
                                              std::string_view field) {
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos || name.substr(0, slash) != collection ||
      !IsId(name.substr(slash + 1))) {
    return InvalidField(field, absl::StrFormat("got %s, wanted %s/ID with an ID of %s",
                                               Quoted(name), collection, kWantedId));
  }
  return std::string(name.substr(slash + 1));
}

std::string ModelVersionName(std::string_view model_id, int64_t version) {
  return absl::StrFormat("%s/%s%s%d", kModels, model_id, kVersions, version);
}

absl::StatusOr<ModelReference> ParseModelReference(std::string_view name, std::string_view field) {
  ModelReference reference;
  const size_t versions = name.find(kVersions);
  if (versions != std::string_view::npos) {
    reference.version = ParseVersion(name.substr(versions + kVersions.size()));
  }
  const std::string_view model = name.substr(0, versions);
  const size_t slash = model.find('/');
  if (slash == std::string_view::npos || model.substr(0, slash) != kModels ||
      !IsId(model.substr(slash + 1)) ||
      (versions != std::string_view::npos && reference.version == 0)) {
    return InvalidField(
        field, absl::StrFormat("got %s, wanted models/ID or models/ID/versions/N with an ID of %s "
                               "and N counting from 1",
                               Quoted(name), kWantedId));
  }
  reference.model_id = std::string(model.substr(slash + 1));
  return reference;
}

std::string_view IdOf(std::string_view name) {
  const size_t slash = name.rfind('/');
  return slash == std::string_view::npos ? name : name.substr(slash + 1);
}

}  // namespace derin::server
