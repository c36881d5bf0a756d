#include "model/text/tokenizer.h"

#include <gmock/gmock.h>

namespace derin {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string Decode(const Tokenizer& tokenizer, const std::vector<int32_t>& tokens) {
  std::string text;
  for (const int32_t token : tokens) tokenizer.AppendBytes(token, text);
  return text;
}

TEST(Tokenizer, TurnsCharactersIntoIdsAndBack) {
  const std::string text = "na\xC3\xAFve \xE2\x82\xAC";
  const Tokenizer tokenizer = Tokenizer::Characters(Vocabulary::FromText(text));
  const Tokenizer::Encoded encoded = tokenizer.Encode(text);
  EXPECT_THAT(encoded.tokens, SizeIs(7));
  EXPECT_EQ(encoded.unknown_count, 0);
  EXPECT_EQ(Decode(tokenizer, encoded.tokens), text);
  EXPECT_EQ(tokenizer.vocabulary_size(), 8);
  EXPECT_EQ(tokenizer.tokenization(), Tokenization::kCharacters);
}

TEST(Tokenizer, CountsUnknownCharactersAndListsEachOnce) {
  const Tokenizer tokenizer = Tokenizer::Characters(Vocabulary::FromText("ab"));
  const Tokenizer::Encoded encoded = tokenizer.Encode(
      "aX\xC3\xBC"
      "bXX");
  EXPECT_THAT(encoded.tokens, ElementsAre(1, 0, 0, 2, 0, 0));
  EXPECT_EQ(encoded.unknown_count, 4);
  EXPECT_THAT(encoded.unknown, ElementsAre("X", "\xC3\xBC"));
  EXPECT_EQ(Decode(tokenizer, {1, 0, 2}),
            "a\xEF\xBF\xBD"
            "b");
}

TEST(Tokenizer, ListsAtMost32UnknownCharacters) {
  const Tokenizer tokenizer = Tokenizer::Characters(Vocabulary::FromText(" "));
  std::string text;
  for (char c = '!'; c < '!' + 40; ++c) text += c;
  const Tokenizer::Encoded encoded = tokenizer.Encode(text);
  EXPECT_EQ(encoded.unknown_count, 40);
  EXPECT_THAT(encoded.unknown, SizeIs(32));
}

TEST(Tokenizer, TurnsBytesIntoIdsAndBack) {
  const Tokenizer tokenizer = Tokenizer::Bytes();
  const Tokenizer::Encoded encoded = tokenizer.Encode("a\xC3\xBC");
  EXPECT_THAT(encoded.tokens, ElementsAre('a' + 1, 0xC3 + 1, 0xBC + 1));
  EXPECT_EQ(Decode(tokenizer, encoded.tokens), "a\xC3\xBC");
  EXPECT_EQ(Decode(tokenizer, {0}), "\xEF\xBF\xBD");
  EXPECT_EQ(tokenizer.vocabulary_size(), 257);
  EXPECT_EQ(tokenizer.vocabulary(), nullptr);
  EXPECT_EQ(tokenizer.tokenization(), Tokenization::kBytes);
}

TEST(Tokenizer, StopsAfterTheTokensAskedFor) {
  const Tokenizer characters = Tokenizer::Characters(Vocabulary::FromText("ab"));
  EXPECT_THAT(characters.Encode("abXab", 3).tokens, ElementsAre(1, 2, 0));
  EXPECT_EQ(characters.Encode("abXab", 2).unknown_count, 0);
  EXPECT_THAT(characters.Encode("ab", 0).tokens, IsEmpty());
  EXPECT_THAT(Tokenizer::Bytes().Encode("abc", 2).tokens, SizeIs(2));
}

TEST(Tokenizer, CountsABrokenByteAsUnknown) {
  const Tokenizer tokenizer = Tokenizer::Characters(Vocabulary::FromText("ab"));
  EXPECT_THAT(tokenizer
                  .Encode("a\xC3"
                          "b")
                  .tokens,
              ElementsAre(1, 0, 2));
}

TEST(Tokenizer, NamesParseBack) {
  for (const Tokenization each :
       {Tokenization::kCharacters, Tokenization::kBytes, Tokenization::kWords}) {
    EXPECT_EQ(ParseTokenization(TokenizationName(each)).value(), each);
  }
  EXPECT_EQ(ParseTokenization("syllables").status().code(), absl::StatusCode::kInvalidArgument);
}

Tokenizer WordsOf(std::vector<std::string> words) {
  return Tokenizer::Words(*WordVocabulary::FromWords(std::move(words)));
}

TEST(Tokenizer, TurnsWordsIntoIdsAndBack) {
  const Tokenizer tokenizer = WordsOf({"The", " time", ",", " traveller", "\n"});
  const std::string text = "The time, traveller\n";
  const Tokenizer::Encoded encoded = tokenizer.Encode(text);
  EXPECT_THAT(encoded.tokens, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(Decode(tokenizer, encoded.tokens), text);
  EXPECT_EQ(tokenizer.vocabulary_size(), 6);
  EXPECT_EQ(tokenizer.longest_token_bytes(), 10);
  EXPECT_EQ(tokenizer.vocabulary(), nullptr);
  EXPECT_EQ(tokenizer.tokenization(), Tokenization::kWords);
  EXPECT_THAT(tokenizer.Encode(text, 2).tokens, ElementsAre(1, 2));
}

TEST(Tokenizer, MakesUnknownWordsOneTokenEachAndListsThem) {
  const Tokenizer tokenizer = WordsOf({"The", " time"});
  const Tokenizer::Encoded encoded = tokenizer.Encode("The machine time machine!");
  EXPECT_THAT(encoded.tokens, ElementsAre(1, 0, 2, 0, 0));
  EXPECT_EQ(encoded.unknown_count, 3);
  EXPECT_THAT(encoded.unknown, ElementsAre(" machine", "!"));
  EXPECT_EQ(Decode(tokenizer, encoded.tokens), "The\xEF\xBF\xBD time\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(Tokenizer, TakesAPromptsFirstWordWithASpaceWhereItIsKnownOnlySo) {
  const Tokenizer tokenizer = WordsOf({"The", " time", " machine", " The"});
  EXPECT_THAT(tokenizer.EncodePrompt("time machine").tokens, ElementsAre(2, 3));
  EXPECT_THAT(tokenizer.EncodePrompt("The time").tokens, ElementsAre(1, 2));
  EXPECT_THAT(tokenizer.EncodePrompt(" time").tokens, ElementsAre(2));
  EXPECT_THAT(tokenizer.EncodePrompt("morlock time").tokens, ElementsAre(0, 2));
  EXPECT_THAT(tokenizer.Encode("time machine").tokens, ElementsAre(0, 3));
  EXPECT_THAT(tokenizer.EncodePrompt("").tokens, IsEmpty());
}

TEST(Tokenizer, KnowsWhichTokensOfAPartAreCertain) {
  const Tokenizer words = WordsOf({"a"});
  EXPECT_EQ(words.CertainBytes("The time"), 3);
  EXPECT_EQ(words.CertainBytes("The time "), 8);
  EXPECT_EQ(words.CertainBytes("don'"), 0);
  EXPECT_EQ(words.CertainBytes("don' "), 4);
  EXPECT_EQ(words.CertainBytes("Yes."), 4);
  EXPECT_EQ(Tokenizer::Bytes().CertainBytes("The time"), 8);
}

TEST(Tokenizer, KnowsWhichTokensATextAloneIs) {
  const Tokenizer words = WordsOf({"The", " time", " The", " ", "."});
  EXPECT_THAT(words.TokensOf("The"), ElementsAre(1, 3));
  EXPECT_THAT(words.TokensOf(" The"), ElementsAre(3));
  EXPECT_THAT(words.TokensOf("time"), ElementsAre(2));
  EXPECT_THAT(words.TokensOf(" "), ElementsAre(4));
  EXPECT_THAT(words.TokensOf("."), ElementsAre(5));
  for (const char* none : {"", "The time", "machine"}) {
    EXPECT_THAT(words.TokensOf(none), IsEmpty()) << none;
  }
  const Tokenizer characters = Tokenizer::Characters(Vocabulary::FromText("ab"));
  EXPECT_THAT(characters.TokensOf("b"), ElementsAre(2));
  EXPECT_THAT(characters.TokensOf("ab"), IsEmpty());
  EXPECT_THAT(characters.TokensOf("c"), IsEmpty());
  EXPECT_THAT(Tokenizer::Bytes().TokensOf("a"), ElementsAre('a' + 1));
}

}  // namespace
}  // namespace derin
