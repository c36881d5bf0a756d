#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace derin::server {

// Counts the characters of a text that arrives in pieces, each for itself; takes memory by how many
// different ones there are, not by the text.
class TextStatistics {
 public:
  // `piece` may begin and end inside a character; all pieces together are valid UTF-8.
  void Append(std::string_view piece);

  int64_t character_count() const { return character_count_; }
  int32_t distinct_characters() const;

  struct CharacterCount {
    std::string character;  // UTF-8
    int64_t count = 0;
  };
  // At most `limit`, by falling count, ties by code point.
  std::vector<CharacterCount> MostFrequent(size_t limit) const;

 private:
  void Add(uint32_t code_point);

  std::array<int64_t, 0x800> low_{};  // of code points of one and two bytes
  absl::flat_hash_map<uint32_t, int64_t> others_;
  int64_t character_count_ = 0;
  uint32_t partial_ = 0;  // bits of an unfinished character
  int missing_ = 0;       // bytes that it still lacks
};

}  // namespace derin::server
