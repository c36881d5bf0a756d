#include "model/text/vocabulary.h"

#include <utility>

#include "absl/strings/str_format.h"

namespace derin {

Vocabulary::Vocabulary(std::vector<char32_t> characters) : characters_(std::move(characters)) {
  ids_.reserve(characters_.size());
  for (size_t i = 0; i < characters_.size(); ++i) {
    ids_.emplace(characters_[i], static_cast<int32_t>(i) + 1);
  }
}

Vocabulary Vocabulary::Of(const CharacterCounter& characters) {
  return Vocabulary(characters.ByFrequency());
}

Vocabulary Vocabulary::FromText(std::string_view text) {
  CharacterCounter characters;
  characters.Append(text);
  return Of(characters);
}

absl::StatusOr<Vocabulary> Vocabulary::FromCharacters(std::vector<char32_t> characters) {
  for (const char32_t character : characters) {
    if (character > 0x10FFFF || (character >= 0xD800 && character <= 0xDFFF)) {
      return absl::InvalidArgumentError(
          absl::StrFormat("U+%04X in the vocabulary is not a Unicode scalar value",
                          static_cast<uint32_t>(character)));
    }
  }
  Vocabulary vocabulary(std::move(characters));
  for (int32_t id = 1; id < vocabulary.size(); ++id) {
    const int32_t first = vocabulary.Id(vocabulary.Character(id));
    if (first != id) {
      return absl::InvalidArgumentError(
          absl::StrFormat("U+%04X is in the vocabulary twice, as %d and as %d",
                          static_cast<uint32_t>(vocabulary.Character(id)), first, id));
    }
  }
  return vocabulary;
}

int32_t Vocabulary::Id(char32_t character) const {
  const auto found = ids_.find(character);
  return found == ids_.end() ? kUnknown : found->second;
}

}  // namespace derin
