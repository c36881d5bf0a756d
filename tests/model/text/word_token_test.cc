#include "model/text/word_token.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "model/text/utf8.h"

namespace derin {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Split(std::string_view text) {
  std::vector<std::string> tokens;
  while (!text.empty()) {
    const size_t bytes = WordTokenBytes(text, /*last=*/true).value();
    tokens.emplace_back(text.substr(0, bytes));
    text.remove_prefix(bytes);
  }
  return tokens;
}

TEST(WordToken, IsAWordWithTheSpaceBeforeIt) {
  EXPECT_THAT(Split("The time traveller"), ElementsAre("The", " time", " traveller"));
  EXPECT_THAT(Split("in 1895 A4"), ElementsAre("in", " 1895", " A4"));
}

TEST(WordToken, IsEachOtherVisibleCharacter) {
  EXPECT_THAT(
      Split("(so: \"it...\" \xE2\x80\x94 no)"),
      ElementsAre("(", "so", ":", " \"", "it", ".", ".", ".", "\"", " \xE2\x80\x94", " no", ")"));
}

TEST(WordToken, IsEachWhiteSpaceThatIsNotTheOneSpaceBeforeAToken) {
  EXPECT_THAT(
      Split("a\n\n b  c\r\n\t\xC2\xA0"
            "d "),
      ElementsAre("a", "\n", "\n", " b", " ", " c", "\r", "\n", "\t", "\xC2\xA0", "d", " "));
  EXPECT_THAT(Split(" \n"), ElementsAre(" ", "\n"));
}

TEST(WordToken, KeepsApostrophesInsideWords) {
  EXPECT_THAT(Split("don't 'tis' o\xE2\x80\x99"
                    "clock' 'n"),
              ElementsAre("don't", " '", "tis", "'",
                          " o\xE2\x80\x99"
                          "clock",
                          "'", " '", "n"));
  EXPECT_THAT(Split("a''b 5'6"), ElementsAre("a", "'", "'", "b", " 5", "'", "6"));
}

TEST(WordToken, KeepsLettersOfAllScriptsAndTheirMarksTogether) {
  EXPECT_THAT(Split("na\xC3\xAFve \xD0\xB4\xD0\xB0 cafe\xCC\x81s"),
              ElementsAre("na\xC3\xAFve", " \xD0\xB4\xD0\xB0", " cafe\xCC\x81s"));
  // A mark without a letter before it.
  EXPECT_THAT(Split("\xCC\x81"
                    "a"),
              ElementsAre("\xCC\x81", "a"));
}

TEST(WordToken, IsOneIdeographOrHiragana) {
  EXPECT_THAT(Split("\xE6\x97\xA5\xE6\x9C\xAC x\xE3\x81\xAE \xE3\x82\xAB\xE3\x83\x8A"),
              ElementsAre("\xE6\x97\xA5", "\xE6\x9C\xAC", " x", "\xE3\x81\xAE",
                          " \xE3\x82\xAB\xE3\x83\x8A"));
}

TEST(WordToken, HasAtMost64CharactersAndASpace) {
  const std::string run(150, 'x');
  EXPECT_THAT(Split(" " + run),
              ElementsAre(" " + run.substr(0, 64), run.substr(0, 64), run.substr(0, 22)));
}

TEST(WordToken, IsNotCertainBeforeItsEndIsSeen) {
  for (const char* open : {"word", " word", " ", "don'", "5'"}) {
    EXPECT_EQ(WordTokenBytes(open, /*last=*/false), std::nullopt) << open;
    EXPECT_TRUE(WordTokenBytes(open, /*last=*/true).has_value()) << open;
  }
  EXPECT_EQ(WordTokenBytes("word ", /*last=*/false), 4);
  EXPECT_EQ(WordTokenBytes(".", /*last=*/false), 1);
  EXPECT_EQ(WordTokenBytes("\n", /*last=*/false), 1);
  EXPECT_EQ(WordTokenBytes(std::string(64, 'x'), /*last=*/false), 64);
}

TEST(WordToken, TakesAByteThatIsNoUtf8Alone) {
  EXPECT_THAT(Split("a\xFF"
                    "b"),
              ElementsAre("a", "\xFF", "b"));
}

// Characters of all kinds, those that words hinge on more often than others.
std::string RandomText(std::mt19937& random, int characters) {
  const std::u32string frequent = U" \n'\u2019ab\u00E9\u0301\u200D.\u65E5\u306E7";
  std::string text;
  for (int i = 0; i < characters; ++i) {
    char32_t c = frequent[random() % frequent.size()];
    if (random() % 4 == 0) c = static_cast<char32_t>(random() % 0x110000);
    if (c >= 0xD800 && c <= 0xDFFF) c = U'x';
    AppendCharacter(c, text);
  }
  return text;
}

// Of a text that arrives in pieces, as far as each is certain.
std::vector<std::string> SplitInPieces(std::string_view text, std::mt19937& random) {
  std::vector<std::string> tokens;
  std::string held;
  while (!text.empty() || !held.empty()) {
    const bool last = text.empty();
    for (size_t pieces = random() % 7; pieces > 0 && !text.empty(); --pieces) {
      const auto length = static_cast<size_t>(DecodeCharacter(text)->length);
      held += text.substr(0, length);
      text.remove_prefix(length);
    }
    while (!held.empty()) {
      const auto bytes = WordTokenBytes(held, last);
      if (!bytes.has_value()) break;
      tokens.push_back(held.substr(0, *bytes));
      held.erase(0, *bytes);
    }
  }
  return tokens;
}

TEST(WordToken, AddsUpToTheTextWhateverItIsAndHoweverItArrives) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    const std::string text = RandomText(random, 1 + static_cast<int>(random() % 200));
    const std::vector<std::string> tokens = Split(text);
    std::string joined;
    for (const std::string& token : tokens) {
      joined += token;
      ASSERT_LE(token.size(), kMostTokenBytes);
      ASSERT_EQ(Split(token), std::vector<std::string>{token}) << "a token alone is that token";
      Utf8Checker whole;
      ASSERT_TRUE(whole.Append(token).ok() && whole.Finish().ok()) << "cut within a character";
    }
    ASSERT_EQ(joined, text);
    ASSERT_EQ(SplitInPieces(text, random), tokens);
  }
}

}  // namespace
}  // namespace derin
