#pragma once

#include <optional>

#include "model/checkpoint/model_file.h"

namespace derin::server {

// What an attempt at a job has made, ready to be published.
struct TrainedModel {
  ModelFile file;
  // Of the epoch whose weights these are: its own training pass up to them, and the held-out text
  // by them; nullopt when nothing is held out.
  double training_perplexity = 0;
  std::optional<double> validation_perplexity;
};

}  // namespace derin::server
