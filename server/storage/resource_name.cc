#include "server/storage/resource_name.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

constexpr size_t kMaxIdLength = 63;
constexpr std::string_view kVersions = "/versions/";
constexpr std::string_view kAliases = "/aliases/";
constexpr std::string_view kCheckpoints = "/checkpoints/";
constexpr std::string_view kWantedId = "1 to 63 characters a-z, 0-9 and -, the first a letter";

bool IsLetter(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsId(std::string_view id) {
  return !id.empty() && id.size() <= kMaxIdLength && IsLetter(id[0]) &&
         std::all_of(id.begin(), id.end(),
                     [](char c) { return IsLetter(c) || IsDigit(c) || c == '-'; });
}

// -1 when `text` is not a number from 0 as we write it.
int64_t ParseNumber(std::string_view text) {
  int64_t number = 0;
  if (text.empty() || !std::all_of(text.begin(), text.end(), IsDigit)) return -1;
  if (text[0] == '0' && text.size() > 1) return -1;
  return absl::SimpleAtoi(absl::string_view(text.data(), text.size()), &number) ? number : -1;
}

// 0 when `text` is not a number from 1 as we write it.
int64_t ParseVersion(std::string_view text) { return std::max<int64_t>(ParseNumber(text), 0); }

// What `name` refers to; nullopt when it is no name of a model, a version or an alias.
std::optional<ModelReference> Parse(std::string_view name) {
  const std::string prefix = absl::StrFormat("%s/", kModels);
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  const std::string_view id = name.substr(0, name.find('/'));
  const std::string_view rest = name.substr(id.size());
  if (!IsId(id)) return std::nullopt;
  ModelReference reference{.model_id = std::string(id)};
  if (rest.starts_with(kVersions)) {
    reference.version = ParseVersion(rest.substr(kVersions.size()));
    if (reference.version == 0) return std::nullopt;
  } else if (rest.starts_with(kAliases)) {
    reference.alias = std::string(rest.substr(kAliases.size()));
    if (!IsId(reference.alias)) return std::nullopt;
  } else if (!rest.empty()) {
    return std::nullopt;
  }
  return reference;
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

std::string ModelAliasName(std::string_view model_id, std::string_view alias) {
  return absl::StrFormat("%s/%s%s%s", kModels, model_id, kAliases, alias);
}

absl::StatusOr<ModelReference> ParseModelReference(std::string_view name, std::string_view field) {
  if (auto reference = Parse(name); reference.has_value()) return *std::move(reference);
  return InvalidField(
      field, absl::StrFormat("got %s, wanted models/ID, models/ID/versions/N or "
                             "models/ID/aliases/ALIAS with an ID and an ALIAS of %s and N counting "
                             "from 1",
                             Quoted(name), kWantedId));
}

absl::StatusOr<ModelReference> ParseModelVersionName(std::string_view name,
                                                     std::string_view field) {
  auto reference = Parse(name);
  if (reference.has_value() && reference->version != 0) return *std::move(reference);
  return InvalidField(field, absl::StrFormat("got %s, wanted models/ID/versions/N with an ID of %s "
                                             "and N counting from 1",
                                             Quoted(name), kWantedId));
}

absl::StatusOr<ModelReference> ParseModelAliasName(std::string_view name, std::string_view field) {
  auto reference = Parse(name);
  if (reference.has_value() && !reference->alias.empty()) return *std::move(reference);
  return InvalidField(field, absl::StrFormat("got %s, wanted models/ID/aliases/ALIAS with an ID "
                                             "and an ALIAS of %s",
                                             Quoted(name), kWantedId));
}

std::string CheckpointName(std::string_view job_id, int64_t step) {
  return absl::StrFormat("%s/%s%s%d", kTrainingJobs, job_id, kCheckpoints, step);
}

absl::StatusOr<CheckpointReference> ParseCheckpointName(std::string_view name,
                                                        std::string_view field) {
  const size_t checkpoints = name.find(kCheckpoints);
  const std::string_view job = name.substr(0, checkpoints);
  const size_t slash = job.find('/');
  CheckpointReference reference;
  reference.step = checkpoints == std::string_view::npos
                       ? -1
                       : ParseNumber(name.substr(checkpoints + kCheckpoints.size()));
  if (reference.step < 0 || slash == std::string_view::npos ||
      job.substr(0, slash) != kTrainingJobs || !IsId(job.substr(slash + 1))) {
    return InvalidField(
        field, absl::StrFormat("got %s, wanted trainingJobs/ID/checkpoints/STEP with an ID of %s "
                               "and a STEP from 0",
                               Quoted(name), kWantedId));
  }
  reference.job_id = std::string(job.substr(slash + 1));
  return reference;
}

std::string_view IdOf(std::string_view name) {
  const size_t slash = name.rfind('/');
  return slash == std::string_view::npos ? name : name.substr(slash + 1);
}

}  // namespace derin::server
