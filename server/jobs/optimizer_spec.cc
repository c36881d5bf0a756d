#include "server/jobs/optimizer_spec.h"

#include <string_view>

#include "absl/strings/str_format.h"
#include "server/jobs/spec_check.h"
#include "server/status/error.h"

namespace derin::server {

namespace {

constexpr absl::string_view kShareBelowOne = "0 or more and below 1";
// Parameters are updated in f32, where a decay near 1 is 1 and what is near 0 is 0.
constexpr double kMostDecay = 0.999999, kLeastEpsilon = 1e-30;
constexpr absl::string_view kDecays = "0 to 0.999999";

// Of v1::Adam and v1::AdamW, the fields of which are named the same.
template <typename Adam>
absl::Status ResolveAdam(std::string_view kind, Adam& adam, OptimizerConfig& config) {
  config.kind = OptimizerKind::kAdam;
  if (!adam.has_beta1()) adam.set_beta1(config.beta1);
  if (!adam.has_beta2()) adam.set_beta2(config.beta2);
  if (!adam.has_epsilon()) adam.set_epsilon(config.epsilon);
  config.beta1 = adam.beta1();
  config.beta2 = adam.beta2();
  config.epsilon = adam.epsilon();
  const auto field = [kind](const char* name) {
    return absl::StrFormat("optimizer.%s.%s", kind, name);
  };
  for (const absl::Status& status :
       {CheckReal(field("beta1"), config.beta1, config.beta1 >= 0 && config.beta1 <= kMostDecay,
                  kDecays),
        CheckReal(field("beta2"), config.beta2, config.beta2 >= 0 && config.beta2 <= kMostDecay,
                  kDecays),
        CheckReal(field("epsilon"), config.epsilon, config.epsilon >= kLeastEpsilon,
                  "1e-30 or more")}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ResolveAdamW(v1::AdamW& adamw, OptimizerConfig& config) {
  if (!adamw.has_weight_decay()) adamw.set_weight_decay(0.01);
  config.weight_decay = adamw.weight_decay();
  absl::Status status = ResolveAdam("adamw", adamw, config);
  status.Update(CheckReal("optimizer.adamw.weight_decay", config.weight_decay,
                          config.weight_decay >= 0 && config.weight_decay <= 1, "0 to 1"));
  return status;
}

absl::Status ResolveSgd(v1::Sgd& sgd, OptimizerConfig& config) {
  if (!sgd.has_momentum()) sgd.set_momentum(config.momentum);
  config.momentum = sgd.momentum();
  config.kind = config.momentum == 0 ? OptimizerKind::kSgd : OptimizerKind::kMomentum;
  return CheckReal("optimizer.sgd.momentum", config.momentum,
                   config.momentum >= 0 && config.momentum < 1, kShareBelowOne);
}

absl::Status ResolveSchedule(v1::LearningRate& rate, LearningRateConfig& config) {
  switch (rate.schedule()) {
    case v1::LearningRate::SCHEDULE_UNSPECIFIED:
    case v1::LearningRate::SCHEDULE_CONSTANT:
      rate.set_schedule(v1::LearningRate::SCHEDULE_CONSTANT);
      config.schedule = LearningRateSchedule::kConstant;
      if (rate.has_final_share()) {
        return InvalidField(
            SpecField("learning_rate.final_share"),
            absl::StrFormat("got %g, wanted none, since %s is not SCHEDULE_COSINE",
                            rate.final_share(), SpecField("learning_rate.schedule")));
      }
      return absl::OkStatus();
    case v1::LearningRate::SCHEDULE_COSINE:
      config.schedule = LearningRateSchedule::kCosine;
      if (!rate.has_final_share()) rate.set_final_share(config.final_share);
      config.final_share = rate.final_share();
      return CheckReal("learning_rate.final_share", config.final_share,
                       config.final_share >= 0 && config.final_share <= 1, "0 to 1");
    default:
      return UnknownValue("learning_rate.schedule", rate.schedule(),
                          "SCHEDULE_CONSTANT or SCHEDULE_COSINE");
  }
}

}  // namespace

absl::Status ResolveOptimizer(v1::TrainingSpec& spec, OptimizerConfig& config) {
  if (!spec.has_clip()) spec.set_clip(config.clip);
  config.clip = spec.clip();
  if (absl::Status status = CheckReal("clip", config.clip, config.clip > 0, "above 0");
      !status.ok()) {
    return status;
  }
  v1::Optimizer& optimizer = *spec.mutable_optimizer();
  switch (optimizer.kind_case()) {
    case v1::Optimizer::kAdam:
      return ResolveAdam("adam", *optimizer.mutable_adam(), config);
    case v1::Optimizer::kAdamw:
      return ResolveAdamW(*optimizer.mutable_adamw(), config);
    default:
      return ResolveSgd(*optimizer.mutable_sgd(), config);
  }
}

absl::Status ResolveLearningRate(v1::TrainingSpec& spec, OptimizerKind optimizer,
                                 LearningRateConfig& config) {
  v1::LearningRate& rate = *spec.mutable_learning_rate();
  if (!rate.has_peak()) {
    rate.set_peak(optimizer == OptimizerKind::kAdam ? 0.001 : 2);
  }
  if (!rate.has_warmup_steps()) rate.set_warmup_steps(0);
  config.peak = rate.peak();
  config.warmup_steps = rate.warmup_steps();
  for (const absl::Status& status :
       {CheckReal("learning_rate.peak", config.peak, config.peak > 0 && config.peak <= 1000,
                  "above 0 and at most 1000"),
        CheckInteger("learning_rate.warmup_steps", config.warmup_steps, 0, 1'000'000),
        ResolveSchedule(rate, config)}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace derin::server
