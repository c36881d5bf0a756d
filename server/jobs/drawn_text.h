#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "model/backend/backend.h"
#include "model/checkpoint/model_file.h"

namespace derin::server {

// How a text is drawn from weights that are being trained.
struct DrawnTextOptions {
  std::string prompt;  // UTF-8, what the text continues
  int tokens = 100;    // at least 1
  double temperature = 0.8;
  uint64_t seed = 0;
};

// Loads `model`, absorbs the prompt and draws as a session of that seed would. Takes the device's
// memory for that time: RESOURCE_EXHAUSTED with the bytes wanted and free.
absl::StatusOr<std::string> DrawText(Backend& backend, const ModelFile& model,
                                     const DrawnTextOptions& options);

}  // namespace derin::server
