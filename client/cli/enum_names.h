#pragma once

#include <string_view>

#include "derin/client/corpus.h"
#include "derin/client/generation.h"
#include "derin/client/model.h"
#include "derin/client/training.h"

// The enums' names as flags take them and as output shows them, each declared once.
namespace derin::cli {

template <typename Enum>
struct EnumName {
  Enum value;
  std::string_view name;
};

inline constexpr EnumName<client::Normalization> kNormalizationNames[] = {
    {client::Normalization::kRaw, "raw"},
    {client::Normalization::kD2lLetters, "d2l-letters"},
    {client::Normalization::kNfc, "nfc"},
    {client::Normalization::kLowerCase, "lower-case"},
    {client::Normalization::kNfcLowerCase, "nfc-lower-case"},
};
inline constexpr EnumName<client::Cell> kCellNames[] = {
    {client::Cell::kLstm, "lstm"},
    {client::Cell::kGru, "gru"},
    {client::Cell::kVanillaTanh, "vanilla-tanh"},
    {client::Cell::kVanillaRelu, "vanilla-relu"},
};
inline constexpr EnumName<client::Tokenization> kTokenizationNames[] = {
    {client::Tokenization::kCharacters, "characters"},
    {client::Tokenization::kBytes, "bytes"},
    {client::Tokenization::kWords, "words"},
};
inline constexpr EnumName<client::Precision> kPrecisionNames[] = {
    {client::Precision::kF32, "f32"},
    {client::Precision::kTf32, "tf32"},
    {client::Precision::kF16, "f16"},
    {client::Precision::kBf16, "bf16"},
};
inline constexpr EnumName<client::Partition> kPartitionNames[] = {
    {client::Partition::kSequential, "sequential"},
    {client::Partition::kRandom, "random"},
};
inline constexpr EnumName<client::ValidationSplit> kValidationSplitNames[] = {
    {client::ValidationSplit::kPosition, "position"},
    {client::ValidationSplit::kDocuments, "documents"},
    {client::ValidationSplit::kBlocks, "blocks"},
};
inline constexpr EnumName<client::LearningRate::Schedule> kScheduleNames[] = {
    {client::LearningRate::Schedule::kConstant, "constant"},
    {client::LearningRate::Schedule::kCosine, "cosine"},
};
inline constexpr EnumName<client::JobState> kJobStateNames[] = {
    {client::JobState::kQueued, "queued"},         {client::JobState::kRunning, "running"},
    {client::JobState::kCancelling, "cancelling"}, {client::JobState::kSucceeded, "succeeded"},
    {client::JobState::kFailed, "failed"},         {client::JobState::kCancelled, "cancelled"},
    {client::JobState::kPausing, "pausing"},       {client::JobState::kPaused, "paused"},
};
inline constexpr EnumName<client::TrainingEvent::Kind> kEventKindNames[] = {
    {client::TrainingEvent::Kind::kStateChanged, "state-changed"},
    {client::TrainingEvent::Kind::kPublished, "published"},
    {client::TrainingEvent::Kind::kResumed, "resumed"},
    {client::TrainingEvent::Kind::kRecovered, "recovered"},
    {client::TrainingEvent::Kind::kWaiting, "waiting"},
};
inline constexpr EnumName<client::FinishReason> kFinishReasonNames[] = {
    {client::FinishReason::kLength, "length"},
    {client::FinishReason::kSessionClosed, "session-closed"},
    {client::FinishReason::kServerStopping, "server-stopping"},
    {client::FinishReason::kStopString, "stop-string"},
    {client::FinishReason::kStopToken, "stop-token"},
    {client::FinishReason::kTime, "time"},
};

inline constexpr EnumName<client::Durability> kDurabilityNames[] = {
    {client::Durability::kNone, "none"},
    {client::Durability::kProcess, "process"},
    {client::Durability::kPower, "power"},
};
inline constexpr EnumName<client::SessionTier> kTierNames[] = {
    {client::SessionTier::kDevice, "device"},
    {client::SessionTier::kHost, "memory"},
    {client::SessionTier::kDisk, "disk"},
};

// "unknown" for what has no name.
template <typename Enum, size_t kCount>
constexpr std::string_view NameOf(Enum value, const EnumName<Enum> (&names)[kCount]) {
  for (const auto& [known, name] : names) {
    if (known == value) return name;
  }
  return "unknown";
}

inline std::string_view Name(client::Normalization value) {
  return NameOf(value, kNormalizationNames);
}
inline std::string_view Name(client::Cell value) { return NameOf(value, kCellNames); }
inline std::string_view Name(client::Tokenization value) {
  return NameOf(value, kTokenizationNames);
}
inline std::string_view Name(client::Precision value) { return NameOf(value, kPrecisionNames); }
inline std::string_view Name(client::Partition value) { return NameOf(value, kPartitionNames); }
inline std::string_view Name(client::ValidationSplit value) {
  return NameOf(value, kValidationSplitNames);
}
inline std::string_view Name(client::LearningRate::Schedule value) {
  return NameOf(value, kScheduleNames);
}
inline std::string_view Name(client::JobState value) { return NameOf(value, kJobStateNames); }
inline std::string_view Name(client::TrainingEvent::Kind value) {
  return NameOf(value, kEventKindNames);
}
inline std::string_view Name(client::FinishReason value) {
  return NameOf(value, kFinishReasonNames);
}

inline std::string_view Name(client::Durability value) { return NameOf(value, kDurabilityNames); }
inline std::string_view Name(client::SessionTier value) { return NameOf(value, kTierNames); }

}  // namespace derin::cli
