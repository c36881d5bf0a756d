#include "model/checkpoint/trainer_state_file.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "model/checkpoint/file_metadata.h"
#include "model/checkpoint/safetensors.h"
#include "model/checkpoint/strict_json.h"
#include "model/text/quoted.h"

namespace derin {
namespace {

using nlohmann::json;

constexpr char kKind[] = "trainer state file";
constexpr int kFormat = 3;
constexpr char kEngineKey[] = "derin.engine";
constexpr char kStateKey[] = "derin.state";
constexpr char kChoiceKey[] = "derin.choice";
constexpr char kRateFactor[] = "learning_rate_factor";

// The oldest format that can say it, so that older programs read what they can.
const char* FormatFor(const TrainerSnapshot& snapshot) {
  if (snapshot.learning_rate_factor != 1) return "3";
  return snapshot.loss_scale.empty() ? "1" : "2";
}

// A tensor's name and its place.
template <typename Snapshot>
auto TensorsOf(Snapshot& snapshot) {
  using Values = decltype(&snapshot.moment1);
  return std::vector<std::pair<const char*, Values>>{
      {"moment1", &snapshot.moment1},
      {"moment2", &snapshot.moment2},
      {"hidden", &snapshot.hidden},
      {"loss_scale", &snapshot.loss_scale},
      {"best_parameters", &snapshot.best_parameters}};
}

template <typename Snapshot>
auto IntegersOf(Snapshot& snapshot) {
  using Value = decltype(&snapshot.step);
  return std::vector<std::pair<const char*, Value>>{
      {"step", &snapshot.step},
      {"epoch", &snapshot.epoch},
      {"step_in_epoch", &snapshot.step_in_epoch},
      {"optimizer_step", &snapshot.optimizer_step},
      {"progress_epoch", &snapshot.progress.epoch},
      {"progress_step", &snapshot.progress.step},
      {"tokens", &snapshot.progress.tokens},
      {"epoch_tokens", &snapshot.progress.epoch_loss.tokens}};
}

// Files of before have none of these: 0.
template <typename Snapshot>
auto OptionalIntegersOf(Snapshot& snapshot) {
  using Value = decltype(&snapshot.step);
  return std::vector<std::pair<const char*, Value>>{
      {"epochs_without_better", &snapshot.progress.epochs_without_better},
      {"better_in_epoch", &snapshot.progress.better_in_epoch},
      {"measured_step", &snapshot.progress.measured_step}};
}

template <typename Snapshot>
auto RealsOf(Snapshot& snapshot) {
  using Value = decltype(&snapshot.progress.learning_rate);
  return std::vector<std::pair<const char*, Value>>{
      {"epoch_nats", &snapshot.progress.epoch_loss.nats},
      {"learning_rate", &snapshot.progress.learning_rate},
      {"gradient_norm", &snapshot.progress.gradient_norm}};
}

template <typename Snapshot>
auto OptionalRealsOf(Snapshot& snapshot) {
  using Value = decltype(&snapshot.progress.epoch_perplexity);
  return std::vector<std::pair<const char*, Value>>{
      {"epoch_perplexity", &snapshot.progress.epoch_perplexity},
      {"validation_perplexity", &snapshot.progress.validation_perplexity},
      {"best_perplexity", &snapshot.progress.best_perplexity},
      {"publishable_perplexity", &snapshot.progress.publishable_perplexity}};
}

// JSON numbers give every finite f64 back as it was; an infinite perplexity is a string.
json Real(double value) {
  if (std::isinf(value)) return "inf";
  return value;
}

absl::StatusOr<double> RealMember(const json& object, const char* name) {
  const json member = object.value(name, json());
  if (member.is_number()) {
    const auto value = member.get<double>();
    if (value >= 0) return value;
  }
  if (member == "inf") return std::numeric_limits<double>::infinity();
  return absl::DataLossError(
      absl::StrFormat("%s is %s, wanted a number from 0", name, Quoted(member.dump())));
}

absl::Status ReadState(const std::string& text, TrainerSnapshot& snapshot) {
  const absl::StatusOr<json> object = ParseStrictJson(text, 1);
  if (!object.ok()) return object.status();
  if (!object->is_object()) return absl::DataLossError("it is not an object");
  for (const auto& [name, place] : IntegersOf(snapshot)) {
    const auto value = IntegerMember(*object, name, 0, std::numeric_limits<int64_t>::max());
    if (!value.ok()) return value.status();
    *place = *value;
  }
  for (const auto& [name, place] : OptionalIntegersOf(snapshot)) {
    if (!object->contains(name)) continue;
    const auto value = IntegerMember(*object, name, 0, std::numeric_limits<int64_t>::max());
    if (!value.ok()) return value.status();
    *place = *value;
  }
  for (const auto& [name, place] : RealsOf(snapshot)) {
    const auto value = RealMember(*object, name);
    if (!value.ok()) return value.status();
    *place = *value;
  }
  for (const auto& [name, place] : OptionalRealsOf(snapshot)) {
    if (!object->contains(name)) continue;
    const auto value = RealMember(*object, name);
    if (!value.ok()) return value.status();
    *place = *value;
  }
  if (object->contains(kRateFactor)) {
    const auto factor = RealMember(*object, kRateFactor);
    if (!factor.ok()) return factor.status();
    snapshot.learning_rate_factor = *factor;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> EncodeTrainerStateFile(TrainerStateFile state) {
  nlohmann::ordered_json object;
  for (const auto& [name, value] : IntegersOf(state.snapshot)) object[name] = *value;
  for (const auto& [name, value] : OptionalIntegersOf(state.snapshot)) object[name] = *value;
  for (const auto& [name, value] : RealsOf(state.snapshot)) object[name] = Real(*value);
  for (const auto& [name, value] : OptionalRealsOf(state.snapshot)) {
    if (value->has_value()) object[name] = Real(**value);
  }
  if (const double factor = state.snapshot.learning_rate_factor; factor != 1) {
    object[kRateFactor] = factor;
  }
  Safetensors file;
  file.metadata[kFormatKey] = FormatFor(state.snapshot);
  file.metadata[kEngineKey] = state.engine;
  file.metadata[kStateKey] = object.dump();
  if (!state.snapshot.choice.empty()) file.metadata[kChoiceKey] = state.snapshot.choice;
  for (const auto& [name, values] : TensorsOf(state.snapshot)) {
    const auto count = static_cast<int64_t>(values->size());
    if (count > 0) file.tensors.push_back({name, {count}, std::move(*values)});
  }
  return EncodeSafetensors(file);
}

absl::StatusOr<TrainerStateFile> DecodeTrainerStateFile(absl::Span<const char> bytes) {
  absl::StatusOr<Safetensors> file = DecodeSafetensors(bytes);
  if (!file.ok()) return file.status();
  if (absl::Status status = CheckFileFormat(kKind, file->metadata, kFormat); !status.ok()) {
    return status;
  }
  // Nobody else writes such files, so none is without its checksums, which were verified.
  for (const char* key : {"checksum", "metadata_checksum"}) {
    const auto checksum = RequiredMetadata(kKind, file->metadata, key);
    if (!checksum.ok()) return checksum.status();
  }
  TrainerStateFile state;
  absl::StatusOr<std::string> engine = RequiredMetadata(kKind, file->metadata, kEngineKey);
  if (!engine.ok()) return engine.status();
  state.engine = *std::move(engine);
  const absl::StatusOr<std::string> text = RequiredMetadata(kKind, file->metadata, kStateKey);
  if (!text.ok()) return text.status();
  if (absl::Status status = ReadState(*text, state.snapshot); !status.ok()) {
    return DamagedFile(kKind, absl::StrFormat("%s: %s", kStateKey, status.message()));
  }
  if (const auto choice = file->metadata.find(kChoiceKey); choice != file->metadata.end()) {
    state.snapshot.choice = choice->second;
  }
  const auto places = TensorsOf(state.snapshot);
  for (Tensor& tensor : file->tensors) {
    const auto place = std::find_if(places.begin(), places.end(),
                                    [&](const auto& one) { return one.first == tensor.name; });
    if (place == places.end() || tensor.shape.size() != 1) {
      return DamagedFile(kKind, absl::StrFormat("it has a tensor %s of %d dimensions, which a "
                                                "trainer's state has not",
                                                Quoted(tensor.name), tensor.shape.size()));
    }
    *place->second = std::move(tensor.values);
  }
  return state;
}

}  // namespace derin
