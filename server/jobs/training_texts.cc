#include "server/jobs/training_texts.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/jobs/spec_check.h"
#include "server/status/error.h"
#include "server/storage/resource_name.h"
#include "server/storage/sha256.h"

namespace derin::server {
namespace {

constexpr int kMostFurtherCorpora = 63;
constexpr double kLargestWeight = 1'000'000;

// How many tokens a v1::Corpus or v1::CorpusDocument has, where they are no words.
template <typename Text>
int64_t TokensOf(const Text& text, v1::Tokenization tokenization) {
  return tokenization == v1::TOKENIZATION_BYTES ? text.size_bytes() : text.character_count();
}

std::string FieldOf(int number, absl::string_view field) {
  return absl::StrCat("more_corpora[", number, "].", field);
}

absl::Status CheckWeight(absl::string_view field, double weight) {
  return CheckReal(field, weight, weight > 0 && weight <= kLargestWeight,
                   "above 0 and at most 1000000");
}

absl::StatusOr<v1::Corpus> Find(const std::string& name, absl::string_view field,
                                MetadataStore& store) {
  const auto id = ParseResourceName(kCorpora, name, SpecField(field));
  if (!id.ok()) return id.status();
  return store.GetCorpus(*id);
}

// Adds `corpus`, which `field` names, to the others.
absl::Status Add(v1::Corpus corpus, double weight, absl::string_view field, TrainingTexts& texts) {
  for (const TrainingText& other : texts.texts) {
    if (other.corpus.name() != corpus.name()) continue;
    return InvalidField(
        SpecField(field),
        absl::StrFormat("got %s twice, wanted each once, with its weight", Quoted(corpus.name())));
  }
  const v1::Corpus& first = texts.texts.front().corpus;
  if (corpus.normalization() != first.normalization()) {
    return InvalidField(
        SpecField(field),
        absl::StrFormat("got a text with %s, wanted one with %s, as %s has",
                        v1::Normalization_Name(corpus.normalization()),
                        v1::Normalization_Name(first.normalization()), first.name()));
  }
  texts.texts.push_back({.corpus = std::move(corpus), .weight = weight});
  return absl::OkStatus();
}

}  // namespace

std::vector<int64_t> TrainingText::DocumentTokens(v1::Tokenization tokenization) const {
  if (tokenization == v1::TOKENIZATION_WORDS) return document_words;
  if (corpus.documents().empty()) return {TokensOf(corpus, tokenization)};
  std::vector<int64_t> tokens;
  for (const v1::CorpusDocument& document : corpus.documents()) {
    tokens.push_back(TokensOf(document, tokenization));
  }
  return tokens;
}

TrainingTexts::TrainingTexts(v1::Corpus only)
    : sha256(only.sha256()), vocabulary_size(only.vocabulary_size()) {
  texts.push_back({.corpus = std::move(only)});
}

absl::StatusOr<TrainingTexts> FindTexts(v1::TrainingSpec& spec, MetadataStore& store) {
  auto first = Find(spec.corpus(), "corpus", store);
  if (!first.ok()) return first.status();
  TrainingTexts texts(*std::move(first));
  if (spec.more_corpora().empty()) {
    if (!spec.has_corpus_weight()) return texts;
    return InvalidField(SpecField("corpus_weight"),
                        absl::StrFormat("got %g, wanted none without %s", spec.corpus_weight(),
                                        SpecField("more_corpora")));
  }
  if (spec.more_corpora_size() > kMostFurtherCorpora) {
    return InvalidField(SpecField("more_corpora"),
                        absl::StrFormat("got %d, wanted at most %d", spec.more_corpora_size(),
                                        kMostFurtherCorpora));
  }
  if (!spec.has_corpus_weight()) spec.set_corpus_weight(1);
  if (absl::Status status = CheckWeight("corpus_weight", spec.corpus_weight()); !status.ok()) {
    return status;
  }
  texts.texts.front().weight = spec.corpus_weight();
  for (int i = 0; i < spec.more_corpora_size(); ++i) {
    v1::WeightedCorpus& more = *spec.mutable_more_corpora(i);
    if (!more.has_weight()) more.set_weight(1);
    absl::Status status = CheckWeight(FieldOf(i, "weight"), more.weight());
    if (!status.ok()) return status;
    auto corpus = Find(more.corpus(), FieldOf(i, "corpus"), store);
    if (!corpus.ok()) return corpus.status();
    status = Add(*std::move(corpus), more.weight(), FieldOf(i, "corpus"), texts);
    if (!status.ok()) return status;
  }
  Sha256 digest;
  for (const TrainingText& text : texts.texts) digest.Append(text.corpus.sha256());
  texts.sha256 = digest.Finish();
  return texts;
}

}  // namespace derin::server
