#include "model/text/tokenizer.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "model/check.h"
#include "model/text/quoted.h"
#include "model/text/utf8.h"

namespace derin {
namespace {

constexpr int32_t kByteVocabulary = 257;  // all bytes and `<unk>`
constexpr size_t kUnknownListed = 32;
constexpr char32_t kReplacement = 0xFFFD;

void NoteUnknown(char32_t character, Tokenizer::Encoded& encoded) {
  ++encoded.unknown_count;
  auto& listed = encoded.unknown_characters;
  if (listed.size() < kUnknownListed &&
      std::find(listed.begin(), listed.end(), character) == listed.end()) {
    listed.push_back(character);
  }
}

Tokenizer::Encoded EncodeBytes(std::string_view text, int64_t max_tokens) {
  Tokenizer::Encoded encoded;
  text = text.substr(0, static_cast<size_t>(max_tokens));
  encoded.tokens.reserve(text.size());
  for (const char byte : text) encoded.tokens.push_back(static_cast<uint8_t>(byte) + 1);
  return encoded;
}

Tokenizer::Encoded EncodeCharacters(const Vocabulary& vocabulary, std::string_view text,
                                    int64_t max_tokens) {
  Tokenizer::Encoded encoded;
  encoded.tokens.reserve(
      static_cast<size_t>(std::min(max_tokens, static_cast<int64_t>(text.size()))));
  while (!text.empty() && static_cast<int64_t>(encoded.tokens.size()) < max_tokens) {
    // A damaged text must not end the process: what is no character counts as an unknown one.
    const auto character = DecodeCharacter(text).value_or(DecodedCharacter{kReplacement, 1});
    const int32_t id = vocabulary.Id(character.code_point);
    if (id == Vocabulary::kUnknown) NoteUnknown(character.code_point, encoded);
    encoded.tokens.push_back(id);
    text.remove_prefix(character.length);
  }
  return encoded;
}

}  // namespace

std::string_view TokenizationName(Tokenization tokenization) {
  switch (tokenization) {
    case Tokenization::kCharacters:
      return "characters";
    case Tokenization::kBytes:
      return "bytes";
  }
  return "";
}

absl::StatusOr<Tokenization> ParseTokenization(std::string_view name) {
  for (const Tokenization known : {Tokenization::kCharacters, Tokenization::kBytes}) {
    if (name == TokenizationName(known)) return known;
  }
  return absl::InvalidArgumentError(
      absl::StrFormat("there is no tokenization %s; there are characters and bytes", Quoted(name)));
}

Tokenizer Tokenizer::Characters(Vocabulary vocabulary) { return Tokenizer(std::move(vocabulary)); }

Tokenizer Tokenizer::Bytes() { return Tokenizer(std::nullopt); }

Tokenization Tokenizer::tokenization() const {
  return vocabulary_ ? Tokenization::kCharacters : Tokenization::kBytes;
}

int32_t Tokenizer::vocabulary_size() const {
  return vocabulary_ ? vocabulary_->size() : kByteVocabulary;
}

Tokenizer::Encoded Tokenizer::Encode(std::string_view text, int64_t max_tokens) const {
  DERIN_CHECK(max_tokens >= 0);
  return vocabulary_ ? EncodeCharacters(*vocabulary_, text, max_tokens)
                     : EncodeBytes(text, max_tokens);
}

void Tokenizer::AppendBytes(int32_t token, std::string& out) const {
  DERIN_CHECK(token >= 0 && token < vocabulary_size());
  if (token == Vocabulary::kUnknown) {
    AppendCharacter(kReplacement, out);
  } else if (vocabulary_) {
    AppendCharacter(vocabulary_->Character(token), out);
  } else {
    out += static_cast<char>(token - 1);
  }
}

}  // namespace derin
