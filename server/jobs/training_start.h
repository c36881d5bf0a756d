#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "derin/v1/training.pb.h"
#include "model/checkpoint/model_file.h"
#include "model/checkpoint/trainer_state_file.h"
#include "server/jobs/training_texts.h"
#include "server/storage/blob_store.h"
#include "server/storage/metadata_store.h"

namespace derin::server {

// What a new job begins with in place of drawn weights: what StartFrom in training.proto names.
struct TrainingStart {
  std::string name;  // of the checkpoint or the version, never of a model's latest
  JobStart blobs;
  ModelFile model;
  std::optional<TrainerStateFile> state;     // there where the training goes on with it
  std::optional<v1::TrainingSpec> job_spec;  // of a checkpoint's job, resolved
  std::string corpus_sha256;                 // a checkpoint's text; empty where it does not say
};

// Reads what `from` names. NOT_FOUND; CHECKPOINT_DAMAGED; INVALID_ARGUMENT naming the field.
absl::StatusOr<TrainingStart> FindStart(const v1::StartFrom& from, MetadataStore& store,
                                        const BlobStore& blobs);

// `asked` with what it leaves unset taken from `start`: the network, and all that a checkpoint's
// job was asked for. Its start_from names `start`.
v1::TrainingSpec FillFromStart(const v1::TrainingSpec& asked, const TrainingStart& start);

// INVALID_ARGUMENT naming the field of `spec`, which FillFromStart gave, that does not go with
// `start`.
absl::Status CheckAgainstStart(const v1::TrainingSpec& spec, const TrainingTexts& texts,
                               const TrainingStart& start);

}  // namespace derin::server
