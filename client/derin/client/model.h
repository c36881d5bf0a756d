#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "derin/client/corpus.h"

namespace derin::client {

// The recurrent cell.
enum class Cell {
  // In a request the server's default, LSTM; in a reply a value that this client does not know.
  kUnspecified,
  kVanillaTanh,
  kVanillaRelu,
  kGru,
  kLstm,
};

// What one token is.
enum class Tokenization {
  // In a request the server's default, characters; in a reply a value that this client does not
  // know.
  kUnspecified,
  // A Unicode code point.
  kCharacters,
  // A byte of UTF-8.
  kBytes,
  // A word (a run of letters, digits, the marks behind them and apostrophes within) or another
  // character, with the one space before it. A model knows the most frequent ones of its corpus, as
  // WordSettings say; all others are `<unk>`.
  kWords,
};

// What products are computed in. Weights are kept and updated, sums accumulated and states carried
// in f32 in any case.
enum class Precision {
  // In a request the server's default, f32; in a reply a value that this client does not know.
  kUnspecified,
  kF32,
  // Products of bfloat16 factors.
  kBf16,
  // Products of factors rounded to TensorFloat-32.
  kTf32,
  // Products of half-precision factors, with a dynamic loss scale.
  kF16,
};

// The network: recurrent layers of equal size and a linear head to the vocabulary. In replies
// nothing is unset.
struct ModelConfig {
  Cell cell = Cell::kUnspecified;
  // Recurrent layers, 1 to 8; default 2.
  std::optional<int32_t> layers;
  // Units of each layer, 1 to 2,048; default 256.
  std::optional<int32_t> hidden;
  Tokenization tokenization = Tokenization::kUnspecified;
  // A training job in one that the server's device lacks is refused.
  Precision precision = Precision::kUnspecified;
  // Elements of a learned vector for each token, 1 to 2,048; 0, the default: one-hot.
  std::optional<int32_t> embedding;
  // The head's weights are those vectors; wants `embedding` to be `hidden`.
  bool tied_head = false;

  bool operator==(const ModelConfig&) const = default;
};

// Immutable weights with all that is needed to use them.
struct ModelVersion {
  // `models/ID/versions/N`, N counting from 1.
  std::string name;
  std::optional<absl::Time> create_time;
  ModelConfig config;
  // Tokens in the vocabulary, `<unk>` included.
  int32_t vocabulary_size = 0;
  // Of the corpus it was trained on; applied to prompts.
  Normalization normalization = Normalization::kUnspecified;
  int64_t parameter_count = 0;
  // `trainingJobs/ID` that published it; it may be deleted since. Empty of an imported version.
  std::string training_job;
  // `trainingJobs/ID/checkpoints/STEP` whose weights these are; empty where the job published at
  // its end.
  std::string training_checkpoint;
  // exp(mean cross-entropy in nats per token) of its epoch's own training pass up to these weights:
  // the last epoch's, or where text was held out, that of the lowest validation perplexity.
  // 0 of an imported version, whose file does not say.
  double training_perplexity = 0;
  // The same of these weights over the held-out text; unset when nothing was held out.
  std::optional<double> validation_perplexity;
  // Bytes of the safetensors file, and its SHA-256 (64 lower-case hexadecimal digits).
  int64_t size_bytes = 0;
  std::string sha256;
};

// A name of a version that can be moved to another one, such as `stable` or `canary`.
struct ModelAlias {
  // `models/ID/aliases/ALIAS`.
  std::string name;
  // `models/ID/versions/N`: where it points.
  std::string model_version;
  std::optional<absl::Time> create_time;
  // When it was last set.
  std::optional<absl::Time> update_time;
};

// A name under which versions are published.
struct Model {
  // `models/ID`.
  std::string name;
  std::optional<absl::Time> create_time;
  // The newest version; unset as long as none was published.
  std::optional<ModelVersion> latest_version;
  // How many versions there are.
  int32_t version_count = 0;
  // By their ids.
  std::vector<ModelAlias> aliases;
};

struct ImportModelOptions {
  // `models/ID`; made unless it exists.
  std::string model;
  // When not empty, the SHA-256 of the file in hexadecimal, which the server compares.
  std::string sha256;
};

}  // namespace derin::client
