#include "model/text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "model/check.h"
#include "model/text/utf8.h"

namespace derin {
namespace {

constexpr int kLongestRun = 1024;
constexpr char32_t kCodePoints = 0x110000;

// The full canonical decomposition of `character`; how many there are.
int Decompose(char32_t character, std::array<utf8proc_int32_t, 32>& parts) {
  int bound_class = 0;
  const auto count = utf8proc_decompose_char(
      static_cast<utf8proc_int32_t>(character), parts.data(), parts.size(),
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE), &bound_class);
  return count < 0 ? 0 : static_cast<int>(count);  // negative: a surrogate
}

bool CombinesBackward(char32_t character) {
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(character))->combining_class != 0;
}

// Of each code point, whether the characters before it neither compose with it nor change places
// with it. Those that compose backward are in some decomposition behind its first part.
std::vector<bool> FindBoundaries() {
  std::array<utf8proc_int32_t, 32> parts{};
  std::vector<bool> composes(kCodePoints);
  for (char32_t c = 0; c < kCodePoints; ++c) {
    const int count = Decompose(c, parts);
    for (int i = 1; i < count; ++i) composes[static_cast<size_t>(parts[i])] = true;
  }
  std::vector<bool> boundaries(kCodePoints);
  for (char32_t c = 0; c < kCodePoints; ++c) {
    const auto first = Decompose(c, parts) > 0 ? static_cast<char32_t>(parts[0]) : c;
    boundaries[c] = !composes[first] && !CombinesBackward(first);
  }
  return boundaries;
}

bool IsBoundary(char32_t character) {
  if (character < 0x300) return true;
  static const auto& boundaries = *new std::vector<bool>(FindBoundaries());
  return boundaries[character];
}

void AppendComposed(std::string_view text, std::string& out) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; })) {
    out += text;
    return;
  }
  utf8proc_uint8_t* composed = nullptr;
  const utf8proc_ssize_t bytes =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &composed,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(composed, &std::free);
  if (bytes == UTF8PROC_ERROR_NOMEM) throw std::bad_alloc();
  DERIN_CHECK(bytes >= 0);  // `text` is whole UTF-8
  out.append(reinterpret_cast<const char*>(composed), static_cast<size_t>(bytes));
}

// Bytes at the front of `text` that are no character and can become none by what follows.
bool StartsBadly(std::string_view text) {
  Utf8Checker checker;
  return !checker.Append(text.substr(0, 4)).ok();
}

}  // namespace

void NfcComposer::Append(std::string_view piece, std::string& out) {
  held_ += piece;
  const std::string_view all = held_;
  size_t begin = 0;    // of what is not appended yet
  size_t certain = 0;  // the last boundary behind it
  int run = 0;         // characters since that
  size_t at = 0;
  while (at < all.size()) {
    const auto character = DecodeCharacter(all.substr(at));
    if (!character.has_value()) {
      if (!StartsBadly(all.substr(at))) break;
      AppendComposed(all.substr(begin, at - begin), out);
      out += all[at];
      begin = certain = ++at;
      run = 0;
      continue;
    }
    if (IsBoundary(character->code_point)) {
      certain = at;
      run = 0;
    } else if (run == kLongestRun) {
      AppendComposed(all.substr(begin, at - begin), out);
      begin = certain = at;
      run = 0;
    }
    ++run;
    at += static_cast<size_t>(character->length);
  }
  AppendComposed(all.substr(begin, certain - begin), out);
  held_.erase(0, certain);
}

void NfcComposer::Finish(std::string& out) {
  Append("\n", out);  // is a boundary, and held back itself
  held_.clear();
}

void LowerCaser::Append(std::string_view piece, std::string& out) {
  held_ += piece;
  const std::string_view all = held_;
  size_t at = 0;
  while (at < all.size()) {
    const auto character = DecodeCharacter(all.substr(at));
    if (!character.has_value() && !StartsBadly(all.substr(at))) break;
    if (character.has_value()) {
      AppendCharacter(static_cast<char32_t>(
                          utf8proc_tolower(static_cast<utf8proc_int32_t>(character->code_point))),
                      out);
    } else {
      out += all[at];
    }
    at += character.has_value() ? static_cast<size_t>(character->length) : 1;
  }
  held_.erase(0, at);
}

void LowerCaser::Finish(std::string& out) {
  out += held_;
  held_.clear();
}

}  // namespace derin
