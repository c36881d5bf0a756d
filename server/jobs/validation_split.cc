#include "server/jobs/validation_split.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/jobs/spec_check.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

constexpr int32_t kDefaultBlock = 1024, kLeastBlock = 256, kMostBlock = 1 << 30;

// A text of the training, and how much of it is read.
struct Text {
  const TrainingText& text;
  int64_t token_count;
  uint64_t seed;

  const std::string& name() const { return text.corpus.name(); }
};
using Ranges = absl::StatusOr<std::vector<TokenRange>>;

Ranges HoldOutBlocks(const v1::TrainingSpec& spec, const Text& text) {
  const int32_t block = spec.validation_block();
  if (block >= text.token_count) {
    return InvalidField(SpecField("validation_block"),
                        absl::StrFormat("got %d, wanted fewer than the %d tokens that %s gives",
                                        block, text.token_count, text.name()));
  }
  return HeldOutBlocks(text.token_count, spec.validation_share(), block, text.seed);
}

Ranges HoldOutDocuments(const v1::TrainingSpec& spec, const Text& text) {
  std::vector<int64_t> sizes;
  int64_t rest = text.token_count;  // those behind max_tokens do not count
  for (const int64_t tokens : text.text.DocumentTokens(spec.config().tokenization())) {
    const int64_t size = std::min(rest, tokens);
    if (size == 0) break;
    sizes.push_back(size);
    rest -= size;
  }
  if (sizes.size() < 2) {
    return InvalidField(
        SpecField("validation_split"),
        absl::StrFormat("got VALIDATION_SPLIT_DOCUMENTS, wanted another one, or a corpus of two "
                        "documents or more: of %s %d are read",
                        text.name(), sizes.size()));
  }
  std::vector<TokenRange> ranges = HeldOutDocuments(sizes, spec.validation_share(), text.seed);
  if (const int64_t held_out = CountOf(ranges); held_out < 2) {
    return InvalidField(SpecField("validation_split"),
                        absl::StrFormat("got VALIDATION_SPLIT_DOCUMENTS, which holds out a "
                                        "document of %d tokens, wanted at least 2",
                                        held_out));
  }
  return ranges;
}

Ranges HoldOut(const v1::TrainingSpec& spec, const Text& text) {
  if (text.token_count < 2) {
    return InvalidField(
        SpecField("validation_share"),
        absl::StrFormat("got %g, wanted 0, or texts of two tokens or more: %s has %d",
                        spec.validation_share(), text.name(), text.token_count));
  }
  switch (spec.validation_split()) {
    case v1::VALIDATION_SPLIT_DOCUMENTS:
      return HoldOutDocuments(spec, text);
    case v1::VALIDATION_SPLIT_BLOCKS:
      return HoldOutBlocks(spec, text);
    default:
      return HeldOutEnd(text.token_count, spec.validation_share());
  }
}

// The fields by themselves.
absl::Status ResolveFields(v1::TrainingSpec& spec) {
  switch (spec.validation_split()) {
    case v1::VALIDATION_SPLIT_UNSPECIFIED:
      spec.set_validation_split(v1::VALIDATION_SPLIT_POSITION);
      break;
    case v1::VALIDATION_SPLIT_POSITION:
      break;
    case v1::VALIDATION_SPLIT_DOCUMENTS:
    case v1::VALIDATION_SPLIT_BLOCKS:
      if (spec.validation_share() > 0) break;
      return InvalidField(SpecField("validation_split"),
                          absl::StrFormat("got %s, wanted none, since %s is 0",
                                          v1::ValidationSplit_Name(spec.validation_split()),
                                          SpecField("validation_share")));
    default:
      return UnknownValue("validation_split", spec.validation_split(),
                          "VALIDATION_SPLIT_POSITION, _DOCUMENTS or _BLOCKS");
  }
  if (spec.validation_split() == v1::VALIDATION_SPLIT_BLOCKS) {
    if (!spec.has_validation_block()) spec.set_validation_block(kDefaultBlock);
    return CheckInteger("validation_block", spec.validation_block(), kLeastBlock, kMostBlock);
  }
  if (!spec.has_validation_block()) return absl::OkStatus();
  return InvalidField(
      SpecField("validation_block"),
      absl::StrFormat("got %d, wanted none, since %s is not VALIDATION_SPLIT_BLOCKS",
                      spec.validation_block(), SpecField("validation_split")));
}

}  // namespace

absl::Status ResolveValidationSplit(const TrainingTexts& texts, TrainingPlan& plan) {
  TrainingConfig& config = plan.config;
  if (absl::Status status = ResolveFields(plan.spec); !status.ok()) return status;
  if (plan.spec.validation_share() == 0) return absl::OkStatus();
  int64_t begin = 0;
  for (size_t i = 0; i < texts.texts.size(); ++i) {
    const int64_t token_count = plan.text_tokens[i];
    const Ranges ranges = HoldOut(
        plan.spec, {.text = texts.texts[i], .token_count = token_count, .seed = config.seed + i});
    if (!ranges.ok()) return ranges.status();
    for (const TokenRange& range : *ranges) {
      plan.held_out.push_back({begin + range.begin, begin + range.end});
    }
    if (texts.several()) config.parts[i].token_count -= CountOf(*ranges);
    begin += token_count;
  }
  config.held_out_tokens = CountOf(plan.held_out);
  return absl::OkStatus();
}

}  // namespace derin::server
