#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/training/trainer.h"

namespace derin {

// What a training goes on from, beside the weights, which are a model file of their own: one
// safetensors file. FORMAT.md beside this file gives its bytes.
struct TrainerStateFile {
  // Engine id (Backend::EngineId) that it was trained on so far: on another one it goes on, but not
  // bit for bit.
  std::string engine;
  TrainerSnapshot snapshot;  // without `parameters`
};

// INVALID_ARGUMENT when the engine is not UTF-8.
absl::StatusOr<std::string> EncodeTrainerStateFile(TrainerStateFile state);

// DATA_LOSS when the file is damaged or contradicts itself, UNIMPLEMENTED when its format version
// is a newer one; each says what was got and what was wanted. Whether it fits a configuration,
// Trainer::Restore finds out.
absl::StatusOr<TrainerStateFile> DecodeTrainerStateFile(absl::Span<const char> bytes);

}  // namespace derin
