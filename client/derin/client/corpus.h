#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace derin::client {

// What is done to a text before it is stored; prompts of models trained on it pass through the
// same.
enum class Normalization {
  // In a request the server's default, raw; in a reply a value that this client does not know.
  kUnspecified,
  // The text as it is.
  kRaw,
  // The cleaning of "Dive into Deep Learning": lower-case letters and single spaces, lines stripped
  // and joined with nothing between.
  kD2lLetters,
};

// How often a character is in a text.
struct CharacterCount {
  // One Unicode code point, as UTF-8.
  std::string character;
  int64_t count = 0;

  bool operator==(const CharacterCount&) const = default;
};

// A text to train on. It never changes: another text is another corpus.
struct Corpus {
  // `corpora/ID`.
  std::string name;
  std::optional<absl::Time> create_time;
  Normalization normalization = Normalization::kUnspecified;
  // Bytes of UTF-8 after normalisation, at least 1.
  int64_t size_bytes = 0;
  // Unicode code points after normalisation, at least 1.
  int64_t character_count = 0;
  // Distinct code points after normalisation, and one more for `<unk>`.
  int32_t vocabulary_size = 0;
  // SHA-256 of the normalised text, 64 lower-case hexadecimal digits.
  std::string sha256;
  // The most frequent characters, 20 at most, by falling count. Empty where the server does not
  // say.
  std::vector<CharacterCount> most_frequent;
};

struct UploadCorpusOptions {
  // Id of the corpus to make: `[a-z][a-z0-9-]{0,62}`.
  std::string corpus_id;
  Normalization normalization = Normalization::kUnspecified;
  // SHA-256 of the bytes as sent, 64 hexadecimal digits; DATA_LOSS when what arrived differs.
  // Empty: not compared.
  std::string sha256;
};

}  // namespace derin::client
