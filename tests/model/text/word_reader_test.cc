#include "model/text/word_reader.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace derin {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Read(const std::vector<std::string>& pieces) {
  std::vector<std::string> words;
  const auto take = [&words](std::string_view word) { words.emplace_back(word); };
  WordReader reader;
  for (const std::string& piece : pieces) reader.Append(piece, take);
  reader.Finish(take);
  return words;
}

TEST(WordReader, GivesTheSameTokensWhereverTheTextIsCut) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "The keeper's lamp, güneş 語: don't  \n";
  const std::vector<std::string> whole = Read({text});
  EXPECT_EQ(whole.size(), 40u * 11);
  for (size_t piece = 1; piece <= 700; ++piece) {
    std::vector<std::string> pieces;
    for (size_t i = 0; i < text.size(); i += piece) pieces.push_back(text.substr(i, piece));
    EXPECT_EQ(Read(pieces), whole) << piece;
  }
}

TEST(WordReader, ATextEndsWhereItIsSaidTo) {
  EXPECT_THAT(Read({"light", "house"}), ElementsAre("lighthouse"));
  WordReader reader;
  std::vector<std::string> words;
  const auto take = [&words](std::string_view word) { words.emplace_back(word); };
  reader.Append("light", take);
  reader.Finish(take);
  reader.Append("house", take);
  reader.Finish(take);
  EXPECT_THAT(words, ElementsAre("light", "house"));
}

}  // namespace
}  // namespace derin
