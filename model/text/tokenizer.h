#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "model/text/vocabulary.h"
#include "model/text/word_vocabulary.h"

namespace derin {

// What one token is.
enum class Tokenization {
  kCharacters,  // a code point of the corpus's vocabulary
  kBytes,       // a byte b of UTF-8, with id b + 1; id 0 is `<unk>`, which no text becomes
  kWords,       // a word or another character, with the space before it: see word_token.h
};

// `characters`, `bytes`, `words`: the names used in files and on the command line.
std::string_view TokenizationName(Tokenization tokenization);
absl::StatusOr<Tokenization> ParseTokenization(std::string_view name);

// Text to token ids and back. Immutable; any number of threads may use one.
class Tokenizer {
 public:
  static Tokenizer Characters(Vocabulary vocabulary);
  static Tokenizer Bytes();
  static Tokenizer Words(WordVocabulary vocabulary);

  Tokenization tokenization() const;
  int32_t vocabulary_size() const;
  // Null unless tokens are characters.
  const Vocabulary* vocabulary() const { return std::get_if<Vocabulary>(&vocabulary_); }
  // Null unless they are words.
  const WordVocabulary* words() const { return std::get_if<WordVocabulary>(&vocabulary_); }
  // No token's text has more bytes.
  size_t longest_token_bytes() const;

  struct Encoded {
    std::vector<int32_t> tokens;
    int64_t unknown_count = 0;         // tokens that became `<unk>`
    std::vector<std::string> unknown;  // their text, each once, in order of appearance, 32 at most
  };
  // `text` is valid UTF-8 (a byte that is not counts as an unknown U+FFFD of a character model);
  // encoding stops after `max_tokens` tokens.
  Encoded Encode(std::string_view text,
                 int64_t max_tokens = std::numeric_limits<int64_t>::max()) const;
  // The same of a prompt, which begins a text: where its first word is known only with a space
  // before it, as words are that never begin a line of the corpus, it is that token.
  Encoded EncodePrompt(std::string_view text) const;
  // How many bytes at the front of `text`, which is whole characters, are tokens that what follows
  // cannot change. All of them, unless tokens are words.
  size_t CertainBytes(std::string_view text) const;

  // The tokens that `text` alone is, `<unk>` aside: one or none; of a word also the token that has
  // a space before it.
  std::vector<int32_t> TokensOf(std::string_view text) const;

  // The bytes that `token` in [0, vocabulary_size) stands for: `<unk>` is U+FFFD. Bytes of a byte
  // model may be parts of a character.
  void AppendBytes(int32_t token, std::string& out) const;

 private:
  using AnyVocabulary = std::variant<std::monostate, Vocabulary, WordVocabulary>;
  explicit Tokenizer(AnyVocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}

  AnyVocabulary vocabulary_;  // none for bytes
};

}  // namespace derin
