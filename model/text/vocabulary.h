#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "model/text/character_counter.h"

namespace derin {

// The tokens that a character model knows, numbered from 0: id 0 is `<unk>`, then code points by
// falling count in the corpus, ties by code point.
class Vocabulary {
 public:
  static constexpr int32_t kUnknown = 0;

  // Of the characters that were counted.
  static Vocabulary Of(const CharacterCounter& characters);
  // Of those of `text`, which is valid UTF-8.
  static Vocabulary FromText(std::string_view text);
  // As stored: `characters[i]` is the character with id i + 1. INVALID_ARGUMENT when one is there
  // twice or is not a Unicode scalar value.
  static absl::StatusOr<Vocabulary> FromCharacters(std::vector<char32_t> characters);

  int32_t size() const { return static_cast<int32_t>(characters_.size()) + 1; }
  // kUnknown for a character that is not there.
  int32_t Id(char32_t character) const;
  // `id` in [1, size).
  char32_t Character(int32_t id) const { return characters_[id - 1]; }
  const std::vector<char32_t>& characters() const { return characters_; }

 private:
  explicit Vocabulary(std::vector<char32_t> characters);

  std::vector<char32_t> characters_;
  absl::flat_hash_map<char32_t, int32_t> ids_;
};

}  // namespace derin
