#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "derin/v1/training.pb.h"
#include "model/backend/backend.h"
#include "model/text/held_out.h"
#include "model/training/trainer.h"
#include "server/jobs/drawn_text.h"
#include "server/jobs/training_texts.h"
#include "server/storage/training_checkpoint_table.h"

namespace derin::server {

// A request to train that can be carried out, as far as one knows beforehand.
struct TrainingPlan {
  v1::TrainingSpec spec;  // nothing that has a default is left unset
  TrainingConfig config;
  std::vector<int64_t> text_tokens;  // that are read of each text, held-out tokens included
  int64_t token_count = 0;           // of all of them
  std::vector<TokenRange> held_out;  // of those
  int64_t total_epochs = 0;          // begun at most
  int64_t total_steps = 0;           // at most
  int64_t tokens_per_epoch = 0;      // targets of the first
  bool ends_by_tokens = false;       // max_trained_tokens sets early_ends.max_steps
  int64_t parameter_count = 0;
  int64_t device_bytes = 0;  // what training will allocate
  absl::Duration max_training_time = absl::InfiniteDuration();
  std::optional<float> forget_bias;  // that the weights begin with
  absl::Duration checkpoint_interval;
  CheckpointsToKeep checkpoints_to_keep;
  std::optional<DrawnTextOptions> sample;
  absl::Duration sample_interval = absl::InfiniteDuration();
};

// Puts the documented defaults in place of what `spec` leaves unset (`seed` for its seed) and
// checks every field, alone and with the others, against `texts`, which were counted (see
// text_reading.h), and what `backend` can do. A resolved spec resolves to itself. INVALID_ARGUMENT
// names the field at fault, such as `training_job.spec.batch`; FAILED_PRECONDITION, reason
// CORPUS_TOO_SHORT, when a text does not fill its rows of one minibatch. Says nothing about memory.
absl::StatusOr<TrainingPlan> ResolveTrainingSpec(const v1::TrainingSpec& spec,
                                                 const TrainingTexts& texts, const Backend& backend,
                                                 uint64_t seed);

// RESOURCE_EXHAUSTED, reason DEVICE_MEMORY_FULL, with the bytes wanted and free when `plan` does
// not fit now; with `passing_bytes`, not even once those are free too.
absl::Status CheckMemory(const TrainingPlan& plan, const Backend& backend,
                         int64_t passing_bytes = 0);

}  // namespace derin::server
