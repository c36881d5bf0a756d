#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace derin {

// Counts the characters of a text that arrives in pieces, each for itself; takes memory by how many
// different ones there are, not by the text.
class CharacterCounter {
 public:
  // `piece` may begin and end inside a character; all pieces together are valid UTF-8.
  void Append(std::string_view piece);

  int64_t character_count() const { return character_count_; }
  int32_t distinct_characters() const;
  // All of them, by falling count, ties by code point.
  std::vector<char32_t> ByFrequency() const;

  struct CharacterCount {
    std::string character;  // UTF-8
    int64_t count = 0;
  };
  // At most `limit`, in the same order.
  std::vector<CharacterCount> MostFrequent(size_t limit) const;

 private:
  struct Counted {
    int64_t negative_count;  // so that the least is first
    char32_t code_point;

    bool operator<(const Counted& other) const {
      return negative_count != other.negative_count ? negative_count < other.negative_count
                                                    : code_point < other.code_point;
    }
  };
  // The first `limit` in order.
  std::vector<Counted> Sorted(size_t limit) const;
  void Add(char32_t code_point);

  std::array<int64_t, 0x800> low_{};  // of code points of one and two bytes
  absl::flat_hash_map<char32_t, int64_t> others_;
  int64_t character_count_ = 0;
  char32_t partial_ = 0;  // bits of an unfinished character
  int missing_ = 0;       // bytes that it still lacks
};

}  // namespace derin
