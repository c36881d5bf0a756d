#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/text/tokenizer.h"
#include "model/text/word_reader.h"

namespace derin {

// The tokens of a text that arrives in pieces: those that Tokenizer::Encode gives for all of it.
class TextEncoder {
 public:
  // `tokenizer` outlives it.
  explicit TextEncoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  // Those that are certain now. Pieces of valid UTF-8 may be cut anywhere.
  std::vector<int32_t> Append(std::string_view piece);
  // The text ends: the last ones. Another one may begin.
  std::vector<int32_t> Finish();

 private:
  const Tokenizer& tokenizer_;
  WordReader words_;       // where tokens are words
  std::string character_;  // the beginning of one, where they are characters
};

}  // namespace derin
