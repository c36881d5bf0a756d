#include "server/rpc/text_statistics.h"

#include <algorithm>
#include <utility>

#include "model/text/utf8.h"

namespace derin::server {

void TextStatistics::Append(std::string_view piece) {
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

void TextStatistics::Add(uint32_t code_point) {
  ++character_count_;
  if (code_point < low_.size()) {
    ++low_[code_point];
  } else {
    ++others_[code_point];
  }
}

int32_t TextStatistics::distinct_characters() const {
  const auto low = std::count_if(low_.begin(), low_.end(), [](int64_t count) { return count > 0; });
  return static_cast<int32_t>(low) + static_cast<int32_t>(others_.size());
}

std::vector<TextStatistics::CharacterCount> TextStatistics::MostFrequent(size_t limit) const {
  std::vector<std::pair<int64_t, uint32_t>> counts;
  for (uint32_t code_point = 0; code_point < low_.size(); ++code_point) {
    if (low_[code_point] > 0) counts.emplace_back(-low_[code_point], code_point);
  }
  for (const auto& [code_point, count] : others_) counts.emplace_back(-count, code_point);
  const auto end = counts.begin() + static_cast<int64_t>(std::min(limit, counts.size()));
  std::partial_sort(counts.begin(), end, counts.end());
  std::vector<CharacterCount> most;
  for (auto one = counts.begin(); one != end; ++one) {
    AppendCharacter(one->second, most.emplace_back(CharacterCount{.count = -one->first}).character);
  }
  return most;
}

}  // namespace derin::server
