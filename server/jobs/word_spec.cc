#include "server/jobs/word_spec.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/backend/stack_config.h"
#include "server/jobs/spec_check.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

constexpr int kDefaultVocabulary = 10'000;
constexpr int64_t kLargestMinCount = 1'000'000'000;
constexpr char kMaxVocabulary[] = "words.max_vocabulary";
constexpr char kMinCount[] = "words.min_count";

absl::Status ResolveSettings(const v1::TrainingSpec& spec, v1::WordSettings& words) {
  const bool embedded = spec.config().embedding() > 0;
  const int most = embedded ? kMostEmbeddedTokens : kMostOneHotTokens;
  if (!words.has_max_vocabulary()) words.set_max_vocabulary(std::min(kDefaultVocabulary, most));
  if (!words.has_min_count()) words.set_min_count(1);
  if (words.max_vocabulary() < 2 || words.max_vocabulary() > most) {
    return InvalidField(
        SpecField(kMaxVocabulary),
        absl::StrCat("got ", words.max_vocabulary(), ", wanted 2 to ", most,
                     embedded ? ""
                              : absl::StrCat(", or to ", kMostEmbeddedTokens, " with ",
                                             SpecField("config.embedding"))));
  }
  return CheckInteger(kMinCount, words.min_count(), 1, kLargestMinCount);
}

// What is set agrees with the words that the weights of `start` know.
absl::Status CheckAgainst(const TrainingStart& start, const v1::WordSettings& words) {
  const int size = start.model.tokenizer.vocabulary_size();
  if (words.has_max_vocabulary() && words.max_vocabulary() != size) {
    return InvalidField(SpecField(kMaxVocabulary),
                        absl::StrFormat("got %d, wanted %d, which %s has, or none",
                                        words.max_vocabulary(), size, start.name));
  }
  const bool known = start.job_spec.has_value() && start.job_spec->words().has_min_count();
  if (words.has_min_count() &&
      (!known || words.min_count() != start.job_spec->words().min_count())) {
    return InvalidField(SpecField(kMinCount),
                        absl::StrFormat("got %d, wanted none, since the words are those of %s",
                                        words.min_count(), start.name));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ResolveWordSettings(const TrainingStart* start, v1::TrainingSpec& spec) {
  if (spec.config().tokenization() != v1::TOKENIZATION_WORDS) {
    if (!spec.has_words()) return absl::OkStatus();
    return InvalidField(SpecField("words"),
                        absl::StrFormat("got some for a model whose tokens are no words, wanted "
                                        "none, or TOKENIZATION_WORDS for %s",
                                        SpecField("config.tokenization")));
  }
  v1::WordSettings& words = *spec.mutable_words();
  return start != nullptr ? CheckAgainst(*start, words) : ResolveSettings(spec, words);
}

}  // namespace derin::server
