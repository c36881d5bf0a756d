#pragma once

#include <optional>
#include <string_view>

#include <CLI/CLI.hpp>

#include "derin/client/training.h"

namespace derin::cli {

// How `derin train` is told which optimiser to use.
struct OptimizerFlags {
  enum class Kind { kSgd, kAdam, kAdamW };
  std::optional<Kind> kind;
  std::optional<double> momentum;
  std::optional<double> weight_decay;
};

void AddOptimizerFlags(CLI::App& command, OptimizerFlags& flags);

// What is wrong with them together; empty when nothing is.
std::string_view MistakeOf(const OptimizerFlags& flags);

// Unset when no flag was given: the server's default, or what a checkpoint's job had.
std::optional<client::Optimizer> OptimizerOf(const OptimizerFlags& flags);

}  // namespace derin::cli
