#include "model/text/character_counter.h"

#include <algorithm>
#include <limits>

#include "model/text/utf8.h"

namespace derin {

void CharacterCounter::Append(std::string_view piece) {
  for (const char c : piece) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      Add(byte);
    } else if ((byte & 0xC0) == 0x80) {
      partial_ = partial_ << 6 | (byte & 0x3F);
      if (--missing_ == 0) Add(partial_);
    } else {
      missing_ = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : 1;
      partial_ = byte & (0x3F >> missing_);
    }
  }
}

void CharacterCounter::Add(char32_t code_point) {
  ++character_count_;
  if (code_point < low_.size()) {
    ++low_[code_point];
  } else {
    ++others_[code_point];
  }
}

int32_t CharacterCounter::distinct_characters() const {
  const auto low = std::count_if(low_.begin(), low_.end(), [](int64_t count) { return count > 0; });
  return static_cast<int32_t>(low) + static_cast<int32_t>(others_.size());
}

std::vector<CharacterCounter::Counted> CharacterCounter::Sorted(size_t limit) const {
  std::vector<Counted> counts;
  for (char32_t code_point = 0; code_point < low_.size(); ++code_point) {
    if (low_[code_point] > 0) counts.push_back({-low_[code_point], code_point});
  }
  for (const auto& [code_point, count] : others_) counts.push_back({-count, code_point});
  limit = std::min(limit, counts.size());
  std::partial_sort(counts.begin(), counts.begin() + static_cast<int64_t>(limit), counts.end());
  counts.resize(limit);
  return counts;
}

std::vector<char32_t> CharacterCounter::ByFrequency() const {
  std::vector<char32_t> characters;
  for (const Counted& one : Sorted(std::numeric_limits<size_t>::max())) {
    characters.push_back(one.code_point);
  }
  return characters;
}

std::vector<CharacterCounter::CharacterCount> CharacterCounter::MostFrequent(size_t limit) const {
  std::vector<CharacterCount> most;
  for (const Counted& one : Sorted(limit)) {
    CharacterCount& count = most.emplace_back();
    AppendCharacter(one.code_point, count.character);
    count.count = -one.negative_count;
  }
  return most;
}

}  // namespace derin
