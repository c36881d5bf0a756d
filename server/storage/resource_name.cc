#include "server/storage/resource_name.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

constexpr size_t kMaxIdLength = 63;
constexpr std::string_view kVersions = "/versions/";
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
