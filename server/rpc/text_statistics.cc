#include "server/rpc/text_statistics.h"

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
  if (code_point < kCodePoints && !seen_->test(code_point)) {
    seen_->set(code_point);
    ++distinct_;
  }
}

}  // namespace derin::server
