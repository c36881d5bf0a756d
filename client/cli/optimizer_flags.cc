#include "client/cli/optimizer_flags.h"

#include "client/cli/options.h"

namespace derin::cli {

using Kind = OptimizerFlags::Kind;

namespace {

// A flag of one optimiser alone asks for it.
Kind KindOf(const OptimizerFlags& flags) {
  return flags.kind.value_or(flags.weight_decay.has_value() ? Kind::kAdamW : Kind::kSgd);
}

}  // namespace

void AddOptimizerFlags(CLI::App& command, OptimizerFlags& flags) {
  AddWord(
      command, "--optimizer", {"sgd", "adam", "adamw"},
      [&flags](size_t i) { flags.kind = static_cast<Kind>(i); },
      "how the parameters are updated [sgd]");
  AddNumber(command, "--momentum", flags.momentum,
            "with sgd: share of the last step's direction that goes on, 0 to below 1 [0]");
  AddNumber(command, "--weight-decay", flags.weight_decay,
            "with adamw: share of every weight, times the rate, that each step takes, 0 to 1 "
            "[0.01]");
}

std::string_view MistakeOf(const OptimizerFlags& flags) {
  if (flags.momentum.has_value() && KindOf(flags) != Kind::kSgd) {
    return "--momentum wants --optimizer sgd";
  }
  if (flags.weight_decay.has_value() && KindOf(flags) != Kind::kAdamW) {
    return "--weight-decay wants --optimizer adamw";
  }
  return "";
}

std::optional<client::Optimizer> OptimizerOf(const OptimizerFlags& flags) {
  if (!flags.kind && !flags.momentum && !flags.weight_decay) return std::nullopt;
  switch (KindOf(flags)) {
    case Kind::kSgd:
      return client::Sgd{.momentum = flags.momentum};
    case Kind::kAdam:
      return client::Adam{};
    case Kind::kAdamW:
      return client::AdamW{.weight_decay = flags.weight_decay};
  }
  return std::nullopt;
}

}  // namespace derin::cli
