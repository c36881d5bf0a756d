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

absl::Status HoldOutBlocks(TrainingPlan& plan) {
  v1::TrainingSpec& spec = plan.spec;
  if (!spec.has_validation_block()) spec.set_validation_block(kDefaultBlock);
  const int32_t block = spec.validation_block();
  if (absl::Status status = CheckInteger("validation_block", block, kLeastBlock, kMostBlock);
      !status.ok()) {
    return status;
  }
  if (block >= plan.token_count) {
    return InvalidField(SpecField("validation_block"),
                        absl::StrFormat("got %d, wanted fewer than the %d tokens that there are",
                                        block, plan.token_count));
  }
  plan.held_out = HeldOutBlocks(plan.token_count, spec.validation_share(), block, plan.config.seed);
  return absl::OkStatus();
}

absl::Status HoldOutDocuments(const v1::Corpus& corpus, TrainingPlan& plan) {
  const v1::Tokenization tokenization = plan.spec.config().tokenization();
  if (tokenization != v1::TOKENIZATION_CHARACTERS && tokenization != v1::TOKENIZATION_BYTES) {
    return InvalidField(
        SpecField("validation_split"),
        absl::StrFormat("got VALIDATION_SPLIT_DOCUMENTS with %s, wanted characters or bytes, of "
                        "which it is known how many a document has",
                        v1::Tokenization_Name(tokenization)));
  }
  std::vector<int64_t> sizes;
  int64_t rest = plan.token_count;  // those behind max_tokens do not count
  for (const v1::CorpusDocument& document : corpus.documents()) {
    const int64_t size =
        std::min(rest, tokenization == v1::TOKENIZATION_BYTES ? document.size_bytes()
                                                              : document.character_count());
    if (size == 0) break;
    sizes.push_back(size);
    rest -= size;
  }
  if (sizes.size() < 2) {
    return InvalidField(
        SpecField("validation_split"),
        absl::StrFormat("got VALIDATION_SPLIT_DOCUMENTS, wanted another one, or a corpus of two "
                        "documents or more: of %s %d are read",
                        corpus.name(), sizes.size()));
  }
  plan.held_out = HeldOutDocuments(sizes, plan.spec.validation_share(), plan.config.seed);
  if (const int64_t held_out = CountOf(plan.held_out); held_out < 2) {
    return InvalidField(SpecField("validation_split"),
                        absl::StrFormat("got VALIDATION_SPLIT_DOCUMENTS, which holds out a "
                                        "document of %d tokens, wanted at least 2",
                                        held_out));
  }
  return absl::OkStatus();
}

absl::Status HoldOut(const v1::Corpus& corpus, TrainingPlan& plan) {
  v1::TrainingSpec& spec = plan.spec;
  if (spec.validation_split() == v1::VALIDATION_SPLIT_UNSPECIFIED) {
    spec.set_validation_split(v1::VALIDATION_SPLIT_POSITION);
  } else if (spec.validation_share() == 0 &&
             spec.validation_split() != v1::VALIDATION_SPLIT_POSITION) {
    return InvalidField(SpecField("validation_split"),
                        absl::StrFormat("got %s, wanted none, since %s is 0",
                                        v1::ValidationSplit_Name(spec.validation_split()),
                                        SpecField("validation_share")));
  }
  if (spec.has_validation_block() && spec.validation_split() != v1::VALIDATION_SPLIT_BLOCKS) {
    return InvalidField(
        SpecField("validation_block"),
        absl::StrFormat("got %d, wanted none, since %s is not VALIDATION_SPLIT_BLOCKS",
                        spec.validation_block(), SpecField("validation_split")));
  }
  switch (spec.validation_split()) {
    case v1::VALIDATION_SPLIT_POSITION:
      if (spec.validation_share() > 0) {
        plan.held_out = HeldOutEnd(plan.token_count, spec.validation_share());
      }
      return absl::OkStatus();
    case v1::VALIDATION_SPLIT_DOCUMENTS:
      return HoldOutDocuments(corpus, plan);
    case v1::VALIDATION_SPLIT_BLOCKS:
      return HoldOutBlocks(plan);
    default:
      return UnknownValue("validation_split", spec.validation_split(),
                          "VALIDATION_SPLIT_POSITION, _DOCUMENTS or _BLOCKS");
  }
}

}  // namespace

absl::Status ResolveValidationSplit(const v1::Corpus& corpus, TrainingPlan& plan) {
  if (absl::Status status = HoldOut(corpus, plan); !status.ok()) return status;
  plan.config.held_out_tokens = CountOf(plan.held_out);
  return absl::OkStatus();
}

}  // namespace derin::server
