#include "server/jobs/word_spec.h"

#include <string>

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

bool AreWords(const v1::TrainingSpec& spec) {
  return spec.config().tokenization() == v1::TOKENIZATION_WORDS;
}

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

absl::StatusOr<WordCounter> Count(const v1::Corpus& corpus, const BlobStore& blobs) {
  constexpr size_t kPiece = 1 << 20;
  auto reader = blobs.NewReader(corpus.sha256());
  if (!reader.ok()) return reader.status();
  WordCounter counter;
  absl::Status counted;
  for (;;) {
    const auto piece = reader->Next(kPiece);
    if (!piece.ok()) return piece.status();
    if (piece->empty()) break;
    counted.Update(counter.Append(*piece));
    if (!counted.ok()) break;
  }
  if (counted.ok()) counted = counter.Finish();
  if (counted.ok()) return counter;
  return InvalidField(SpecField("config.tokenization"),
                      std::string_view(counted.message().data(), counted.message().size()));
}

}  // namespace

absl::StatusOr<std::optional<int64_t>> ResolveWords(const v1::Corpus& corpus,
                                                    const TrainingStart* start,
                                                    const BlobStore& blobs,
                                                    v1::TrainingSpec& spec) {
  if (!AreWords(spec)) {
    if (!spec.has_words()) return std::nullopt;
    return InvalidField(SpecField("words"),
                        absl::StrFormat("got some for a model whose tokens are no words, wanted "
                                        "none, or TOKENIZATION_WORDS for %s",
                                        SpecField("config.tokenization")));
  }
  v1::WordSettings& words = *spec.mutable_words();
  absl::Status status =
      start != nullptr ? CheckAgainst(*start, words) : ResolveSettings(spec, words);
  if (!status.ok()) return status;
  const auto counter = Count(corpus, blobs);
  if (!counter.ok()) return counter.status();
  const int size = start != nullptr
                       ? start->model.tokenizer.vocabulary_size()
                       : counter->VocabularySize(words.max_vocabulary(), words.min_count());
  if (size < 2 && counter->token_count() > 0) {
    return InvalidField(
        SpecField(kMinCount),
        absl::StrFormat("got %d, and the text has no word so often", words.min_count()));
  }
  words.set_max_vocabulary(size);
  return counter->token_count();
}

absl::StatusOr<WordVocabulary> WordsOf(const v1::TrainingSpec& spec, std::string_view text) {
  WordCounter counter;
  absl::Status status = counter.Append(text);
  if (status.ok()) status = counter.Finish();
  if (!status.ok()) return status;
  return counter.Vocabulary(spec.words().max_vocabulary(), spec.words().min_count());
}

std::optional<int64_t> ResolvedWords(const v1::TrainingSpec& spec) {
  return AreWords(spec) ? std::optional(spec.max_tokens()) : std::nullopt;
}

}  // namespace derin::server
