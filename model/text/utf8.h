#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"

namespace derin {

// The first character of `text` that is valid UTF-8 (RFC 3629: shortest form, no surrogates, at
// most U+10FFFF).
struct DecodedCharacter {
  char32_t code_point;
  int length;  // bytes, 1 to 4
};
// Empty when `text` does not start with a whole valid character.
std::optional<DecodedCharacter> DecodeCharacter(std::string_view text);

// How many bytes at the front of `text`, which is valid but may end inside a character, are whole
// characters.
size_t WholeCharacterBytes(std::string_view text);

// Appends `code_point` as UTF-8.
void AppendCharacter(char32_t code_point, std::string& out);

// Checks a text that arrives in pieces.
class Utf8Checker {
 public:
  // INVALID_ARGUMENT with the byte offset in the whole text of the first fault. A character cut by
  // the piece's end is no fault yet.
  absl::Status Append(std::string_view piece);
  // INVALID_ARGUMENT when the text ends inside a character.
  absl::Status Finish() const;

 private:
  int64_t offset_ = 0;   // of the first byte of `partial_`, or of the next piece
  std::string partial_;  // an unfinished character, at most 3 bytes
};

// Turns a stream of bytes, cut anywhere, into valid UTF-8: unfinished characters are held back,
// bytes that can never become one are replaced by U+FFFD.
class Utf8Assembler {
 public:
  Utf8Assembler() = default;
  // Goes on where another one holds this back.
  explicit Utf8Assembler(std::string held_back) : held_back_(std::move(held_back)) {}

  // All of the whole characters that are now known.
  std::string Append(std::string_view bytes);
  // What is held back, as U+FFFD when there is any.
  std::string Flush();
  // The same as it is: at most 3 bytes.
  const std::string& held_back() const { return held_back_; }

 private:
  std::string held_back_;
};

}  // namespace derin
