#include "model/text/normalization.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "model/text/vocabulary.h"

namespace derin {
namespace {

using ::testing::HasSubstr;

std::string NormalizeInPieces(std::string_view text, Normalization normalization, size_t piece) {
  Normalizer normalizer(normalization);
  std::string out;
  for (size_t i = 0; i < text.size(); i += piece) {
    EXPECT_EQ(normalizer.Append(text.substr(i, piece), out), absl::OkStatus());
  }
  EXPECT_EQ(normalizer.Finish(out), absl::OkStatus());
  return out;
}

std::string Letters(std::string_view text) {
  return NormalizeInPieces(text, Normalization::kD2lLetters, text.size() + 1);
}

TEST(Normalizer, LeavesARawTextAlone) {
  const std::string text = "  The\r\n\xC3\xBC \tend\n";
  EXPECT_EQ(NormalizeInPieces(text, Normalization::kRaw, 1000), text);
  EXPECT_EQ(NormalizeInPieces(text, Normalization::kRaw, 1), text);
}

TEST(Normalizer, MakesLettersOfEachLineAndJoinsThemWithNothing) {
  EXPECT_EQ(Letters("The Time Machine, by H. G. Wells [1898]"), "the time machine by h g wells");
  EXPECT_EQ(Letters("one\ntwo"), "onetwo");
  EXPECT_EQ(Letters("  one, \r\n\n  --  \n two\t3\n"), "onetwo");
  EXPECT_EQ(Letters("na\xC3\xAFve caf\xC3\xA9"), "na ve caf");
  EXPECT_EQ(Letters("a\rb"), "a b");
  EXPECT_EQ(Letters("1 2 3\n"), "");
  EXPECT_EQ(Letters(""), "");
}

TEST(Normalizer, GivesTheSameTextHoweverItIsCut) {
  const std::string text =
      " I.\n\nThe \xE2\x80\x9CTime\xE2\x80\x9D  \r\n Traveller (for so\r\n1st)\n .";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    EXPECT_EQ(NormalizeInPieces(text, Normalization::kD2lLetters, piece),
              "ithe timetraveller for sost");
  }
}

TEST(Normalizer, RefusesATextThatIsNotUtf8) {
  for (const Normalization each : kNormalizations) {
    Normalizer normalizer(each);
    std::string out;
    EXPECT_EQ(normalizer.Append("good \xC3", out), absl::OkStatus());
    const absl::Status status = normalizer.Append("( bad", out);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("offset 5 "));

    Normalizer cut(each);
    EXPECT_EQ(cut.Append("\xE2\x82", out), absl::OkStatus());
    EXPECT_EQ(cut.Finish(out).code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(NormalizePrompt, KeepsASpaceAtEitherEdge) {
  EXPECT_EQ(NormalizePrompt("Time ", Normalization::kD2lLetters), "time ");
  EXPECT_EQ(NormalizePrompt(", said HE...", Normalization::kD2lLetters), " said he ");
  EXPECT_EQ(NormalizePrompt("  ", Normalization::kD2lLetters), " ");
  EXPECT_EQ(NormalizePrompt("", Normalization::kD2lLetters), "");
  EXPECT_EQ(NormalizePrompt(" \xC3\xBC\n", Normalization::kRaw), " \xC3\xBC\n");
}

TEST(NormalizePrompt, TreatsAPromptAsThePartOfATextBetweenTwoLetters) {
  for (const std::string prompt :
       {"a b", " a\nb ", "\n", " \n ", "a \n\n b", "\nab", "ab\n ", "1"}) {
    const std::string inside = Letters("x" + prompt + "y");
    EXPECT_EQ("x" + NormalizePrompt(prompt, Normalization::kD2lLetters) + "y", inside);
  }
}

TEST(Normalizer, ComposesFirstAndBringsToLowerCaseThen) {
  // The angstrom sign, a bare accent, a capital with one that has no lower case of two parts.
  const std::string text = "A \u212B E\u0301 \u0130 \u1E9E";
  EXPECT_EQ(NormalizeInPieces(text, Normalization::kNfc, 1), "A \u00C5 \u00C9 \u0130 \u1E9E");
  EXPECT_EQ(NormalizeInPieces(text, Normalization::kLowerCase, 1), "a \u00E5 e\u0301 i \u00DF");
  EXPECT_EQ(NormalizeInPieces(text, Normalization::kNfcLowerCase, 1), "a \u00E5 \u00E9 i \u00DF");
  for (const Normalization each : kNormalizations) {
    for (size_t piece = 2; piece < text.size(); ++piece) {
      EXPECT_EQ(NormalizeInPieces(text, each, piece), NormalizeInPieces(text, each, 1));
    }
  }
}

TEST(NormalizePrompt, BringsAPromptToTheFormOfItsModelsText) {
  EXPECT_EQ(NormalizePrompt("Cafe\u0301 ", Normalization::kNfc), "Caf\u00E9 ");
  EXPECT_EQ(NormalizePrompt("CAFE\u0301 ", Normalization::kNfcLowerCase), "caf\u00E9 ");
  EXPECT_EQ(NormalizePrompt(" B\xFF", Normalization::kLowerCase), " b\xFF");
  EXPECT_EQ(NormalizePrompt("cut \xC3", Normalization::kNfc), "cut \xC3");
}

TEST(Normalization, NamesParseBack) {
  for (const Normalization each : kNormalizations) {
    EXPECT_EQ(ParseNormalization(NormalizationName(each)).value(), each);
  }
  const auto unknown = ParseNormalization("lower");
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(unknown.status().message()), HasSubstr("\"lower\""));
}

// The figures that "Dive into Deep Learning" prints for this book.
TEST(Normalization, OfTheTimeMachineGivesTheKnownFigures) {
  const std::filesystem::path path = std::filesystem::path(DERIN_BOOKS) / "timemachine.txt";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "needs the book " << path;
  std::ostringstream book;
  book << std::ifstream(path, std::ios::binary).rdbuf();
  const std::string text = NormalizeInPieces(book.str(), Normalization::kD2lLetters, 4096);
  EXPECT_EQ(text.size(), 170'580u);
  EXPECT_EQ(Vocabulary::FromText(text).size(), 28);
  EXPECT_THAT(text, ::testing::StartsWith("the time machine by h g wells"));
}

}  // namespace
}  // namespace derin
