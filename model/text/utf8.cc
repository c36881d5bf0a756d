#include "model/text/utf8.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace derin {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

enum class Found { kWhole, kCut, kInvalid };

struct Beginning {
  Found found;
  // kWhole: the character's bytes. Else those that some character starts with, at least 1: what
  // Unicode calls a maximal subpart, and replaces by one U+FFFD.
  int length;
  char32_t code_point;
};

// Of `text`, which is not empty. Source: The Unicode Standard, table 3-7, "Well-Formed UTF-8 Byte
// Sequences".
Beginning Examine(std::string_view text) {
  const auto lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80) return {Found::kWhole, 1, lead};
  if (lead < 0xC2 || lead > 0xF4) return {Found::kInvalid, 1, 0};

  const int length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // The second byte's range excludes longer forms than needed, surrogates and all above U+10FFFF.
  uint8_t lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  uint8_t highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  char32_t code_point = lead & (0x7F >> length);
  for (int i = 1; i < length; ++i) {
    if (static_cast<size_t>(i) == text.size()) return {Found::kCut, i, 0};
    const auto byte = static_cast<uint8_t>(text[i]);
    if (byte < lowest || byte > highest) return {Found::kInvalid, i, 0};
    code_point = code_point << 6 | (byte & 0x3F);
    lowest = 0x80;
    highest = 0xBF;
  }
  return {Found::kWhole, length, code_point};
}

absl::Status NotUtf8(int64_t offset, char first_byte) {
  return absl::InvalidArgumentError(
      absl::StrFormat("the text is not UTF-8: no character starts at byte offset %d (byte 0x%02X)",
                      offset, static_cast<uint8_t>(first_byte)));
}

}  // namespace

std::optional<DecodedCharacter> DecodeCharacter(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const Beginning beginning = Examine(text);
  if (beginning.found != Found::kWhole) return std::nullopt;
  return DecodedCharacter{beginning.code_point, beginning.length};
}

size_t WholeCharacterBytes(std::string_view text) {
  // The last lead byte is among the last four.
  for (size_t back = 1; back <= std::min<size_t>(text.size(), 4); ++back) {
    const size_t at = text.size() - back;
    if ((static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) continue;
    return Examine(text.substr(at)).found == Found::kCut ? at : text.size();
  }
  return text.size();
}

void AppendCharacter(char32_t code_point, std::string& out) {
  const auto continuation = [code_point](int shift) {
    return static_cast<char>(0x80 | (code_point >> shift & 0x3F));
  };
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xC0 | code_point >> 6);
    out += continuation(0);
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xE0 | code_point >> 12);
    out += continuation(6);
    out += continuation(0);
  } else {
    out += static_cast<char>(0xF0 | code_point >> 18);
    out += continuation(12);
    out += continuation(6);
    out += continuation(0);
  }
}

absl::Status Utf8Checker::Append(std::string_view piece) {
  while (!partial_.empty() && !piece.empty()) {
    partial_ += piece.front();
    piece.remove_prefix(1);
    const Beginning beginning = Examine(partial_);
    if (beginning.found == Found::kInvalid) return NotUtf8(offset_, partial_[0]);
    if (beginning.found == Found::kWhole) {
      offset_ += beginning.length;
      partial_.clear();
    }
  }
  while (!piece.empty()) {
    const Beginning beginning = Examine(piece);
    if (beginning.found == Found::kInvalid) return NotUtf8(offset_, piece[0]);
    if (beginning.found == Found::kCut) {
      partial_ = piece;
      return absl::OkStatus();
    }
    offset_ += beginning.length;
    piece.remove_prefix(beginning.length);
  }
  return absl::OkStatus();
}

absl::Status Utf8Checker::Finish() const {
  if (partial_.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("the text is not UTF-8: it ends inside the character that starts at byte "
                      "offset %d (byte 0x%02X)",
                      offset_, static_cast<uint8_t>(partial_[0])));
}

std::string Utf8Assembler::Append(std::string_view bytes) {
  std::string joined;
  if (!held_back_.empty()) {
    joined = held_back_ + std::string(bytes);
    bytes = joined;
    held_back_.clear();
  }
  std::string out;
  while (!bytes.empty()) {
    const Beginning beginning = Examine(bytes);
    if (beginning.found == Found::kCut) {
      held_back_ = bytes;
      break;
    }
    out += beginning.found == Found::kWhole ? bytes.substr(0, beginning.length) : kReplacement;
    bytes.remove_prefix(beginning.length);
  }
  return out;
}

std::string Utf8Assembler::Flush() {
  if (held_back_.empty()) return "";
  held_back_.clear();
  return std::string(kReplacement);
}

}  // namespace derin
