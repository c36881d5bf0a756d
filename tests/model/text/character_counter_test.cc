#include "model/text/character_counter.h"

#include <gtest/gtest.h>

#include <string>

#include "model/text/vocabulary.h"

namespace derin {
namespace {

TEST(CharacterCounter, NothingHasNoCharacters) {
  const CharacterCounter counter;
  EXPECT_EQ(counter.character_count(), 0);
  EXPECT_EQ(counter.distinct_characters(), 0);
}

TEST(CharacterCounter, CountsCharactersOfEveryLengthWhereverTheyAreCut) {
  std::string text = "aşa語ş🐙語";
  text += '\0';
  text += "\x7f\u0080\u07ff\u0800\uffff\U00010000\U0010ffff";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    CharacterCounter counter;
    for (size_t i = 0; i < text.size(); i += piece) counter.Append(text.substr(i, piece));
    EXPECT_EQ(counter.character_count(), 15) << piece;
    EXPECT_EQ(counter.distinct_characters(), 12) << piece;
  }
}

TEST(CharacterCounter, TheMostFrequentComeFirstAndThenTheLowestCodePoints) {
  CharacterCounter counter;
  counter.Append("語 語 語 baab🐙");
  const auto most = counter.MostFrequent(5);
  std::string characters;
  for (const auto& [character, count] : most) characters += character + std::to_string(count);
  EXPECT_EQ(characters, " 3語3a2b2🐙1");
  EXPECT_EQ(counter.MostFrequent(1).size(), 1u);
  EXPECT_EQ(counter.MostFrequent(100).size(), 5u);
  EXPECT_EQ(CharacterCounter().MostFrequent(3).size(), 0u);
}

TEST(CharacterCounter, AgreesWithTheVocabularyOfTheText) {
  const std::string text = "the time machine, by h. g. wells: Ğüzel";
  CharacterCounter counter;
  counter.Append(text);
  EXPECT_EQ(counter.distinct_characters() + 1, Vocabulary::FromText(text).size());
  EXPECT_EQ(counter.ByFrequency(), Vocabulary::FromText(text).characters());
}

}  // namespace
}  // namespace derin
