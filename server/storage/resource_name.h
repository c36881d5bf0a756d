#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace derin::server {

// Names of resources: `corpora/ID`, `models/ID`, `models/ID/versions/N`, `models/ID/aliases/ALIAS`,
// `trainingJobs/ID`, `trainingJobs/ID/checkpoints/STEP`, `sessions/ID`. What a client sends is
// parsed with the name of its field, which errors name too; everything inside works with the bare
// ids.

// The collections of the API.
inline constexpr std::string_view kCorpora = "corpora";
inline constexpr std::string_view kModels = "models";
inline constexpr std::string_view kTrainingJobs = "trainingJobs";
inline constexpr std::string_view kSessions = "sessions";

// OK when `id` matches `[a-z][a-z0-9-]{0,62}`, else INVALID_ARGUMENT naming `field`.
absl::Status CheckId(std::string_view id, std::string_view field);

// `collection/id`.
std::string ResourceName(std::string_view collection, std::string_view id);

// The id in `name`, which is `collection/ID`. INVALID_ARGUMENT naming `field` of the request when
// it is not of that form or the id is not one that CheckId passes.
absl::StatusOr<std::string> ParseResourceName(std::string_view collection, std::string_view name,
                                              std::string_view field);

// A version of a model: one with a number, the one that an alias points at, or else the latest.
struct ModelReference {
  std::string model_id;
  int64_t version = 0;  // 0: not by its number
  std::string alias{};  // empty: not by an alias
};

// `models/ID/versions/N`.
std::string ModelVersionName(std::string_view model_id, int64_t version);
// `models/ID/aliases/ALIAS`.
std::string ModelAliasName(std::string_view model_id, std::string_view alias);
// Of `models/ID`, `models/ID/versions/N` or `models/ID/aliases/ALIAS`.
absl::StatusOr<ModelReference> ParseModelReference(std::string_view name, std::string_view field);
// Of `models/ID/versions/N` alone.
absl::StatusOr<ModelReference> ParseModelVersionName(std::string_view name, std::string_view field);
// Of `models/ID/aliases/ALIAS` alone.
absl::StatusOr<ModelReference> ParseModelAliasName(std::string_view name, std::string_view field);

// A checkpoint of a job.
struct CheckpointReference {
  std::string job_id;
  int64_t step = 0;
};

// `trainingJobs/ID/checkpoints/STEP`.
std::string CheckpointName(std::string_view job_id, int64_t step);
absl::StatusOr<CheckpointReference> ParseCheckpointName(std::string_view name,
                                                        std::string_view field);

// What stands behind the last slash of a name of ours.
std::string_view IdOf(std::string_view name);

}  // namespace derin::server
