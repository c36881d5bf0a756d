#include "server/jobs/training_corpora.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/text/vocabulary.h"
#include "server/jobs/spec_check.h"
#include "server/status/error.h"
#include "server/storage/resource_name.h"
#include "server/storage/sha256.h"

namespace derin::server {
namespace {

constexpr int kMostFurtherCorpora = 63;
constexpr double kLargestWeight = 1'000'000;

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
absl::Status Join(v1::Corpus corpus, double weight, absl::string_view field,
                  TrainingCorpora& corpora) {
  for (const v1::Corpus& other : corpora.corpora) {
    if (other.name() != corpus.name()) continue;
    return InvalidField(
        SpecField(field),
        absl::StrFormat("got %s twice, wanted each once, with its weight", Quoted(corpus.name())));
  }
  v1::Corpus& joined = corpora.joined;
  if (corpus.normalization() != joined.normalization()) {
    return InvalidField(SpecField(field),
                        absl::StrFormat("got a text with %s, wanted one with %s, as %s has",
                                        v1::Normalization_Name(corpus.normalization()),
                                        v1::Normalization_Name(joined.normalization()),
                                        corpora.corpora.front().name()));
  }
  joined.set_name(absl::StrCat(joined.name(), " and ", corpus.name()));
  joined.set_size_bytes(joined.size_bytes() + corpus.size_bytes());
  joined.set_character_count(joined.character_count() + corpus.character_count());
  joined.mutable_documents()->MergeFrom(corpus.documents());
  corpora.weights.push_back(weight);
  corpora.corpora.push_back(std::move(corpus));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TrainingCorpora> FindCorpora(v1::TrainingSpec& spec, MetadataStore& store) {
  auto first = Find(spec.corpus(), "corpus", store);
  if (!first.ok()) return first.status();
  TrainingCorpora corpora(*std::move(first));
  if (spec.more_corpora().empty()) {
    if (!spec.has_corpus_weight()) return corpora;
    return InvalidField(SpecField("corpus_weight"),
                        absl::StrFormat("got %g, wanted none without %s", spec.corpus_weight(),
                                        SpecField("more_corpora")));
  }
  if (spec.more_corpora_size() > kMostFurtherCorpora) {
    return InvalidField(SpecField("more_corpora"),
                        absl::StrFormat("got %d, wanted at most %d", spec.more_corpora_size(),
                                        kMostFurtherCorpora));
  }
  if (spec.config().tokenization() == v1::TOKENIZATION_WORDS) {
    return InvalidField(SpecField("more_corpora"),
                        "got some with TOKENIZATION_WORDS, wanted characters or bytes");
  }
  if (!spec.has_corpus_weight()) spec.set_corpus_weight(1);
  if (absl::Status status = CheckWeight("corpus_weight", spec.corpus_weight()); !status.ok()) {
    return status;
  }
  corpora.weights.front() = spec.corpus_weight();
  for (int i = 0; i < spec.more_corpora_size(); ++i) {
    v1::WeightedCorpus& more = *spec.mutable_more_corpora(i);
    if (!more.has_weight()) more.set_weight(1);
    absl::Status status = CheckWeight(FieldOf(i, "weight"), more.weight());
    if (!status.ok()) return status;
    auto corpus = Find(more.corpus(), FieldOf(i, "corpus"), store);
    if (!corpus.ok()) return corpus.status();
    status = Join(*std::move(corpus), more.weight(), FieldOf(i, "corpus"), corpora);
    if (!status.ok()) return status;
  }
  Sha256 digest;
  for (const v1::Corpus& corpus : corpora.corpora) digest.Append(corpus.sha256());
  corpora.joined.set_sha256(digest.Finish());
  return corpora;
}

absl::StatusOr<std::string> JoinTexts(TrainingCorpora& corpora, const BlobStore& blobs) {
  std::string joined;
  if (corpora.several()) joined.reserve(static_cast<size_t>(corpora.joined.size_bytes()));
  for (const v1::Corpus& corpus : corpora.corpora) {
    auto text = blobs.Read(corpus.sha256());
    if (absl::IsDataLoss(text.status())) {
      return Refusal(
          absl::StatusCode::kDataLoss, "CORPUS_DAMAGED",
          absl::StrCat("the text of ", corpus.name(), " is damaged: ", text.status().message()));
    }
    if (!text.ok() || !corpora.several()) return text;
    joined += *text;
  }
  corpora.joined.set_vocabulary_size(Vocabulary::FromText(joined).size());
  return joined;
}

}  // namespace derin::server
