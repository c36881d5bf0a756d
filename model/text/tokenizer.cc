#include "model/text/tokenizer.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "model/check.h"
#include "model/text/quoted.h"
#include "model/text/utf8.h"
#include "model/text/word_token.h"

namespace derin {
namespace {

constexpr int32_t kByteVocabulary = 257;  // all bytes and `<unk>`
constexpr size_t kUnknownListed = 32;
constexpr size_t kMostCharacterBytes = 4;
constexpr char32_t kReplacement = 0xFFFD;

// `text` may be damaged; what is listed is valid UTF-8.
void NoteUnknown(std::string_view text, Tokenizer::Encoded& encoded) {
  ++encoded.unknown_count;
  auto& listed = encoded.unknown;
  if (listed.size() == kUnknownListed) return;
  Utf8Assembler valid;
  std::string whole = valid.Append(text);
  whole += valid.Flush();
  if (std::find(listed.begin(), listed.end(), whole) == listed.end()) {
    listed.push_back(std::move(whole));
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
    if (id == Vocabulary::kUnknown) NoteUnknown(text.substr(0, character.length), encoded);
    encoded.tokens.push_back(id);
    text.remove_prefix(character.length);
  }
  return encoded;
}

Tokenizer::Encoded EncodeWords(const WordVocabulary& vocabulary, std::string_view text,
                               int64_t max_tokens) {
  Tokenizer::Encoded encoded;
  while (!text.empty() && static_cast<int64_t>(encoded.tokens.size()) < max_tokens) {
    const size_t bytes = WordTokenBytes(text, /*last=*/true).value_or(text.size());
    const std::string_view word = text.substr(0, bytes);
    const int32_t id = vocabulary.Id(word);
    if (id == Vocabulary::kUnknown) NoteUnknown(word, encoded);
    encoded.tokens.push_back(id);
    text.remove_prefix(bytes);
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
    case Tokenization::kWords:
      return "words";
  }
  return "";
}

absl::StatusOr<Tokenization> ParseTokenization(std::string_view name) {
  for (const Tokenization known :
       {Tokenization::kCharacters, Tokenization::kBytes, Tokenization::kWords}) {
    if (name == TokenizationName(known)) return known;
  }
  return absl::InvalidArgumentError(absl::StrFormat(
      "there is no tokenization %s; there are characters, bytes and words", Quoted(name)));
}

Tokenizer Tokenizer::Characters(Vocabulary vocabulary) { return Tokenizer(std::move(vocabulary)); }

Tokenizer Tokenizer::Bytes() { return Tokenizer(std::monostate()); }

Tokenizer Tokenizer::Words(WordVocabulary vocabulary) { return Tokenizer(std::move(vocabulary)); }

Tokenization Tokenizer::tokenization() const {
  if (words() != nullptr) return Tokenization::kWords;
  return vocabulary() != nullptr ? Tokenization::kCharacters : Tokenization::kBytes;
}

int32_t Tokenizer::vocabulary_size() const {
  if (words() != nullptr) return words()->size();
  return vocabulary() != nullptr ? vocabulary()->size() : kByteVocabulary;
}

size_t Tokenizer::longest_token_bytes() const {
  return std::max(words() != nullptr ? words()->longest_bytes() : 0, kMostCharacterBytes);
}

Tokenizer::Encoded Tokenizer::Encode(std::string_view text, int64_t max_tokens) const {
  DERIN_CHECK(max_tokens >= 0);
  if (words() != nullptr) return EncodeWords(*words(), text, max_tokens);
  return vocabulary() != nullptr ? EncodeCharacters(*vocabulary(), text, max_tokens)
                                 : EncodeBytes(text, max_tokens);
}

Tokenizer::Encoded Tokenizer::EncodePrompt(std::string_view text) const {
  if (words() != nullptr && !text.empty() && text.front() != ' ') {
    const std::string_view first =
        text.substr(0, WordTokenBytes(text, /*last=*/true).value_or(text.size()));
    const std::string spaced = absl::StrFormat(" %s", std::string(first));
    if (words()->Id(first) == Vocabulary::kUnknown && words()->Id(spaced) != Vocabulary::kUnknown) {
      return Encode(absl::StrFormat(" %s", std::string(text)));
    }
  }
  return Encode(text);
}

size_t Tokenizer::CertainBytes(std::string_view text) const {
  if (words() == nullptr) return text.size();
  size_t certain = 0;
  while (certain < text.size()) {
    const auto bytes = WordTokenBytes(text.substr(certain), /*last=*/false);
    if (!bytes.has_value()) break;
    certain += *bytes;
  }
  return certain;
}

std::vector<int32_t> Tokenizer::TokensOf(std::string_view text) const {
  std::vector<int32_t> found = Encode(text, 2).tokens;
  if (found.size() != 1 || found[0] == Vocabulary::kUnknown) found.clear();
  if (words() == nullptr) return found;
  const int32_t spaced = words()->Id(absl::StrFormat(" %s", std::string(text)));
  if (spaced != Vocabulary::kUnknown && !text.empty()) found.push_back(spaced);
  return found;
}

void Tokenizer::AppendBytes(int32_t token, std::string& out) const {
  DERIN_CHECK(token >= 0 && token < vocabulary_size());
  if (token == Vocabulary::kUnknown) {
    AppendCharacter(kReplacement, out);
  } else if (words() != nullptr) {
    out += words()->Word(token);
  } else if (vocabulary() != nullptr) {
    AppendCharacter(vocabulary()->Character(token), out);
  } else {
    out += static_cast<char>(token - 1);
  }
}

}  // namespace derin
