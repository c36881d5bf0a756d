#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "derin/v1/corpus.pb.h"
#include "derin/v1/model.pb.h"
#include "derin/v1/training.pb.h"
#include "server/storage/blob_store.h"
#include "server/storage/metadata_store.h"

namespace derin::server {

// The texts of a training, one or several with weights.
struct TrainingCorpora {
  // One: what most trainings have, and all that a test wants.
  TrainingCorpora(v1::Corpus only)  // NOLINT(google-explicit-constructor)
      : joined(only), corpora{std::move(only)}, weights{1} {}

  bool several() const { return corpora.size() > 1; }

  // What a corpus would be that has all of them, one behind the other. Of several its SHA-256 is
  // over theirs, and its vocabulary is known once JoinTexts has read them.
  v1::Corpus joined;
  std::vector<v1::Corpus> corpora;
  std::vector<double> weights;  // of each, above 0
};

// Finds what `spec` names, and puts the weights that it leaves unset into it. NOT_FOUND;
// INVALID_ARGUMENT naming the field when one is there twice, weights are out of range, or texts and
// tokens do not go together.
absl::StatusOr<TrainingCorpora> FindCorpora(v1::TrainingSpec& spec, MetadataStore& store);

// Their texts, one behind the other. DATA_LOSS, reason CORPUS_DAMAGED.
absl::StatusOr<std::string> JoinTexts(TrainingCorpora& corpora, const BlobStore& blobs);

// How many tokens a v1::Corpus or v1::CorpusDocument has, where they are no words.
template <typename Text>
int64_t TokensOf(const Text& text, v1::Tokenization tokenization) {
  return tokenization == v1::TOKENIZATION_BYTES ? text.size_bytes() : text.character_count();
}

}  // namespace derin::server
