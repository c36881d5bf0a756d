#include "model/text/word_token.h"

#include <utf8proc.h>

#include "model/check.h"
#include "model/text/utf8.h"

namespace derin {
namespace {

enum class Kind { kLetter, kDigit, kOwnWord, kFollower, kApostrophe, kSpace, kOther };

struct Character {
  Kind kind;
  size_t bytes;
};

// Ideographs and hiragana. Source: Unicode Standard Annex #29, which sets no word boundaries among
// them either; the ranges are those of the blocks.
bool IsOwnWord(char32_t c) {
  return (c >= 0x3041 && c <= 0x309F) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x20000 && c <= 0x3FFFF);
}

Kind KindOf(char32_t c) {
  if (c == '\'' || c == 0x2019) return Kind::kApostrophe;
  if ((c >= '\t' && c <= '\r') || c == 0x85) return Kind::kSpace;
  if (c == 0x200C || c == 0x200D) return Kind::kFollower;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return IsOwnWord(c) ? Kind::kOwnWord : Kind::kLetter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return Kind::kDigit;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      return Kind::kFollower;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return Kind::kSpace;
    default:
      return Kind::kOther;
  }
}

Character Read(std::string_view text) {
  const auto decoded = DecodeCharacter(text);
  if (!decoded.has_value()) return {Kind::kOther, 1};
  return {KindOf(decoded->code_point), static_cast<size_t>(decoded->length)};
}

}  // namespace

std::optional<size_t> WordTokenBytes(std::string_view text, bool last) {
  DERIN_CHECK(!text.empty());
  const auto at_end = [last](size_t bytes) { return last ? std::optional(bytes) : std::nullopt; };
  size_t at = 0;
  Character first = Read(text);
  if (text.front() == ' ') {
    if (text.size() == 1) return at_end(1);
    at = 1;
    first = Read(text.substr(1));
    if (first.kind == Kind::kSpace) return 1;
  }
  at += first.bytes;
  const bool own = first.kind == Kind::kOwnWord;
  if (!own && first.kind != Kind::kLetter && first.kind != Kind::kDigit) return at;
  for (int characters = 1; characters < kMostWordCharacters; ++characters) {
    if (at == text.size()) return at_end(at);
    const Character next = Read(text.substr(at));
    const size_t end = at + next.bytes;
    bool belongs = next.kind == Kind::kFollower;
    if (!own) {
      belongs = belongs || next.kind == Kind::kLetter || next.kind == Kind::kDigit;
      if (next.kind == Kind::kApostrophe) {
        if (end == text.size()) return at_end(at);
        belongs = Read(text.substr(end)).kind == Kind::kLetter;
      }
    }
    if (!belongs) return at;
    at = end;
  }
  return at;
}

}  // namespace derin
