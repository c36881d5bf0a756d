#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "derin/v1/training.pb.h"
#include "model/text/tokenizer.h"
#include "model/training/training_tokens.h"
#include "server/jobs/training_texts.h"
#include "server/storage/blob_store.h"

namespace derin::server {

// Reads the texts of a training, piece by piece: none is ever whole in memory. A token ends where
// its document does. DATA_LOSS, reason CORPUS_DAMAGED.

// Reads as much as it takes to know the tokens of each document and the vocabulary of all, and puts
// both into `texts`. `spec` has its word settings resolved (see word_spec.h); `known` is the
// tokenizer of the weights that the training begins with, or null. INVALID_ARGUMENT when the words
// are too many to count.
absl::Status CountTexts(const v1::TrainingSpec& spec, const Tokenizer* known,
                        const BlobStore& blobs, TrainingTexts& texts);

// The same without `known`, and the tokenizer of a training on these texts.
absl::StatusOr<Tokenizer> MakeTokenizer(const v1::TrainingSpec& spec, const BlobStore& blobs,
                                        TrainingTexts& texts);

// Gives `tokens` the first `max_tokens` of each text, which are as many as it was made for.
absl::Status EncodeTexts(const TrainingTexts& texts, const Tokenizer& tokenizer, int64_t max_tokens,
                         const BlobStore& blobs, TrainingTokens& tokens);

}  // namespace derin::server
