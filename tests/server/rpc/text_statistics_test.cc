#include "server/rpc/text_statistics.h"

#include <gtest/gtest.h>

#include <string>

#include "model/text/vocabulary.h"

namespace derin::server {
namespace {

TEST(TextStatistics, NothingHasNoCharacters) {
  const TextStatistics statistics;
  EXPECT_EQ(statistics.character_count(), 0);
  EXPECT_EQ(statistics.distinct_characters(), 0);
}

TEST(TextStatistics, CountsCharactersOfEveryLengthWhereverTheyAreCut) {
  std::string text = "aşa語ş🐙語";
  text += '\0';
  text += "\x7f\u0080\u07ff\u0800\uffff\U00010000\U0010ffff";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    TextStatistics statistics;
    for (size_t i = 0; i < text.size(); i += piece) statistics.Append(text.substr(i, piece));
    EXPECT_EQ(statistics.character_count(), 15) << piece;
    EXPECT_EQ(statistics.distinct_characters(), 12) << piece;
  }
}

TEST(TextStatistics, TheMostFrequentComeFirstAndThenTheLowestCodePoints) {
  TextStatistics statistics;
  statistics.Append("語 語 語 baab🐙");
  const auto most = statistics.MostFrequent(5);
  std::string characters;
  for (const auto& [character, count] : most) characters += character + std::to_string(count);
  EXPECT_EQ(characters, " 3語3a2b2🐙1");
  EXPECT_EQ(statistics.MostFrequent(1).size(), 1u);
  EXPECT_EQ(statistics.MostFrequent(100).size(), 5u);
  EXPECT_EQ(TextStatistics().MostFrequent(3).size(), 0u);
}

TEST(TextStatistics, AgreesWithTheVocabularyOfTheText) {
  const std::string text = "the time machine, by h. g. wells: Ğüzel";
  TextStatistics statistics;
  statistics.Append(text);
  EXPECT_EQ(statistics.distinct_characters() + 1, Vocabulary::FromText(text).size());
}

}  // namespace
}  // namespace derin::server
