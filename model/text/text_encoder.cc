#include "model/text/text_encoder.h"

#include <utility>

#include "model/text/utf8.h"

namespace derin {

std::vector<int32_t> TextEncoder::Append(std::string_view piece) {
  if (const WordVocabulary* words = tokenizer_.words()) {
    std::vector<int32_t> tokens;
    words_.Append(piece, [&](std::string_view word) { tokens.push_back(words->Id(word)); });
    return tokens;
  }
  if (tokenizer_.vocabulary() == nullptr) return tokenizer_.Encode(piece).tokens;
  std::string joined;
  if (!character_.empty()) {
    joined = std::move(character_.append(piece));
    piece = joined;
  }
  const size_t whole = WholeCharacterBytes(piece);
  character_ = piece.substr(whole);
  return tokenizer_.Encode(piece.substr(0, whole)).tokens;
}

std::vector<int32_t> TextEncoder::Finish() {
  std::vector<int32_t> tokens;
  if (const WordVocabulary* words = tokenizer_.words()) {
    words_.Finish([&](std::string_view word) { tokens.push_back(words->Id(word)); });
  }
  // A damaged end of a text is a token, as in Tokenizer::Encode.
  if (!character_.empty()) tokens = tokenizer_.Encode(character_).tokens;
  character_.clear();
  return tokens;
}

}  // namespace derin
