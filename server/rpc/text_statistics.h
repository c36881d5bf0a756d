#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <string_view>

namespace derin::server {

// Counts the characters of a text that arrives in pieces, and how many different ones there are, in
// 136 KiB of memory whatever the text.
class TextStatistics {
 public:
  // `piece` may begin and end inside a character; all pieces together are valid UTF-8.
  void Append(std::string_view piece);

  int64_t character_count() const { return character_count_; }
  int32_t distinct_characters() const { return distinct_; }

 private:
  static constexpr size_t kCodePoints = 0x110000;

  void Add(uint32_t code_point);

  std::unique_ptr<std::bitset<kCodePoints>> seen_ = std::make_unique<std::bitset<kCodePoints>>();
  int64_t character_count_ = 0;
  int32_t distinct_ = 0;
  uint32_t partial_ = 0;  // bits of an unfinished character
  int missing_ = 0;       // bytes that it still lacks
};

}  // namespace derin::server
