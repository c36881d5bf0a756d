#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/text/vocabulary.h"

namespace derin {

// What one token is.
enum class Tokenization {
  kCharacters,  // a code point of the corpus's vocabulary
  kBytes,       // a byte b of UTF-8, with id b + 1; id 0 is `<unk>`, which no text becomes
};

// `characters`, `bytes`: the names used in files and on the command line.
std::string_view TokenizationName(Tokenization tokenization);
absl::StatusOr<Tokenization> ParseTokenization(std::string_view name);

// Text to token ids and back. Immutable; any number of threads may use one.
class Tokenizer {
 public:
  static Tokenizer Characters(Vocabulary vocabulary);
  static Tokenizer Bytes();

  Tokenization tokenization() const;
  int32_t vocabulary_size() const;
  // Null for bytes.
  const Vocabulary* vocabulary() const { return vocabulary_ ? &*vocabulary_ : nullptr; }

  struct Encoded {
    std::vector<int32_t> tokens;
    int64_t unknown_count = 0;                 // characters that became `<unk>`
    std::vector<char32_t> unknown_characters;  // each once, in order of appearance, 32 at most
  };
  // `text` is valid UTF-8 (a byte that is not counts as an unknown U+FFFD of a character model);
  // encoding stops after `max_tokens` tokens.
  Encoded Encode(std::string_view text,
                 int64_t max_tokens = std::numeric_limits<int64_t>::max()) const;

  // The bytes that `token` in [0, vocabulary_size) stands for: `<unk>` is U+FFFD. Bytes of a byte
  // model may be parts of a character.
  void AppendBytes(int32_t token, std::string& out) const;

 private:
  explicit Tokenizer(std::optional<Vocabulary> vocabulary) : vocabulary_(std::move(vocabulary)) {}

  std::optional<Vocabulary> vocabulary_;  // empty for bytes
};

}  // namespace derin
