#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "derin/v1/corpus.pb.h"
#include "derin/v1/training.pb.h"
#include "model/text/word_vocabulary.h"
#include "server/jobs/training_start.h"
#include "server/storage/blob_store.h"

namespace derin::server {

// Puts into `spec.words` which words a model of `corpus` knows: its defaults, and in the place of
// the largest vocabulary that is allowed the size of the one that there is, for which the text is
// read. With a `start` the vocabulary is that of its weights. How many tokens the corpus has; empty
// where tokens are no words. INVALID_ARGUMENT names the field at fault.
absl::StatusOr<std::optional<int64_t>> ResolveWords(const v1::Corpus& corpus,
                                                    const TrainingStart* start,
                                                    const BlobStore& blobs, v1::TrainingSpec& spec);

// The vocabulary that a resolved `spec`, whose tokens are words, means for `text`.
absl::StatusOr<WordVocabulary> WordsOf(const v1::TrainingSpec& spec, std::string_view text);

// How many tokens a text has at least for which `spec` was resolved; empty where tokens are no
// words.
std::optional<int64_t> ResolvedWords(const v1::TrainingSpec& spec);

}  // namespace derin::server
