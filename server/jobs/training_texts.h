#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "derin/v1/corpus.pb.h"
#include "derin/v1/model.pb.h"
#include "derin/v1/training.pb.h"
#include "server/storage/metadata_store.h"

namespace derin::server {

// A corpus that is trained on.
struct TrainingText {
  // Tokens of its documents, in order; of all of it where they have no names. Where tokens are
  // words it was read before (see text_reading.h).
  std::vector<int64_t> DocumentTokens(v1::Tokenization tokenization) const;

  v1::Corpus corpus;
  double weight = 1;  // beside others, above 0
  std::vector<int64_t> document_words{};
};

// The texts of a training, one or several.
struct TrainingTexts {
  // One: what most trainings have, and all that a test wants.
  TrainingTexts(v1::Corpus only);  // NOLINT(google-explicit-constructor)

  bool several() const { return texts.size() > 1; }

  std::vector<TrainingText> texts;  // at least one, all with the same normalisation
  std::string sha256;               // of several it is over theirs
  // Of characters or words, `<unk>` included. Of one text its characters'; else it was read before.
  int vocabulary_size;
};

// Finds what `spec` names, and puts the weights that it leaves unset into it. NOT_FOUND;
// INVALID_ARGUMENT naming the field when one is there twice, weights are out of range, or texts do
// not go together.
absl::StatusOr<TrainingTexts> FindTexts(v1::TrainingSpec& spec, MetadataStore& store);

}  // namespace derin::server
