#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "model/text/word_reader.h"

namespace derin {

// The tokens that a model of words knows, numbered from 0: id 0 is `<unk>`, then tokens as
// word_token.h defines them, each with the space before it, by falling count in the corpus, ties by
// code points.
class WordVocabulary {
 public:
  // As stored: `words[i]` is the token with id i + 1. INVALID_ARGUMENT when one is there twice or
  // is not exactly one token of valid UTF-8.
  static absl::StatusOr<WordVocabulary> FromWords(std::vector<std::string> words);

  int32_t size() const { return static_cast<int32_t>(words_.size()) + 1; }
  // Vocabulary::kUnknown for a token that is not there.
  int32_t Id(std::string_view word) const;
  // `id` in [1, size).
  const std::string& Word(int32_t id) const { return words_[id - 1]; }
  const std::vector<std::string>& words() const { return words_; }
  // No word has more; 0 without words.
  size_t longest_bytes() const { return longest_bytes_; }

 private:
  friend class WordCounter;
  explicit WordVocabulary(std::vector<std::string> words);

  std::vector<std::string> words_;
  size_t longest_bytes_ = 0;
  absl::flat_hash_map<std::string, int32_t> ids_;
};

// Counts the words of a text that arrives in pieces.
class WordCounter {
 public:
  // More different ones than this are too many to count.
  static constexpr int64_t kMostDistinct = 4'194'304;

  explicit WordCounter(int64_t most_distinct = kMostDistinct) : most_distinct_(most_distinct) {}

  // Pieces of valid UTF-8 may be cut anywhere. INVALID_ARGUMENT when there are too many different
  // tokens.
  absl::Status Append(std::string_view piece);
  // The text ends.
  absl::Status Finish();

  int64_t token_count() const { return token_count_; }
  // How large Vocabulary() is, without making it.
  int32_t VocabularySize(int32_t max_vocabulary, int64_t min_count) const;
  // The most frequent tokens of those seen `min_count` times, at most `max_vocabulary`, `<unk>`
  // included.
  WordVocabulary Vocabulary(int32_t max_vocabulary, int64_t min_count) const;

 private:
  void Count(std::string_view word);
  absl::Status TooMany() const;

  int64_t most_distinct_;
  WordReader reader_;
  bool too_many_ = false;
  int64_t token_count_ = 0;
  absl::flat_hash_map<std::string, int64_t> counts_;
};

}  // namespace derin
