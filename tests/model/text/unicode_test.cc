#include "model/text/unicode.h"

#include <gtest/gtest.h>
#include <utf8proc.h>

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "model/text/utf8.h"

namespace derin {
namespace {

template <typename Converter>
std::string InPieces(std::string_view text, size_t piece) {
  Converter converter;
  std::string out;
  for (size_t i = 0; i < text.size(); i += piece) converter.Append(text.substr(i, piece), out);
  converter.Finish(out);
  return out;
}

std::string Compose(std::string_view text, size_t piece = 1) {
  return InPieces<NfcComposer>(text, piece);
}

// All of it at once.
std::string Expected(const std::string& text) {
  utf8proc_uint8_t* composed =
      utf8proc_NFC(reinterpret_cast<const utf8proc_uint8_t*>(text.c_str()));
  std::string out(reinterpret_cast<char*>(composed));
  std::free(composed);
  return out;
}

TEST(NfcComposer, ComposesAsTheStandardSays) {
  EXPECT_EQ(Compose("plain"), "plain");
  EXPECT_EQ(Compose("e\u0301"), "\u00E9");
  EXPECT_EQ(Compose("\u212B"), "\u00C5") << "a singleton";
  EXPECT_EQ(Compose("d\u0307\u0323"), "\u1E0D\u0307") << "accents in canonical order";
  EXPECT_EQ(Compose("\u1100\u1161\u11A8"), "\uAC01") << "a syllable of Hangul";
  EXPECT_EQ(Compose("\uAC00\u11A8"), "\uAC01");
  EXPECT_EQ(Compose("\u0958"), "\u0915\u093C") << "excluded from composition";
  EXPECT_EQ(Compose("\u09C7\u09BE"), "\u09CB") << "a vowel sign that is no accent";
}

TEST(NfcComposer, GivesTheSameHoweverTheTextIsCut) {
  // Characters that compose, change places, or do neither.
  const std::vector<char32_t> characters = {
      'a',   'e',   ' ',   0xE9,  0x300,  0x301,  0x323,  0x345,  0x1100, 0x1161,  0x11A8,  0xAC00,
      0x9C7, 0x9BE, 0x93C, 0x915, 0x212B, 0x1E0D, 0x3042, 0x3099, 0x4E00, 0x1D15E, 0x1D165, 0xF73};
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (int i = 0; i < 12; ++i) AppendCharacter(characters[random() % characters.size()], text);
    for (const size_t piece : {size_t{1}, size_t{3}, text.size()}) {
      ASSERT_EQ(Compose(text, piece), Expected(text)) << text;
    }
  }
}

TEST(NfcComposer, HoldsNoMoreThanARunBack) {
  NfcComposer composer;
  std::string out;
  for (int i = 0; i < 5'000; ++i) composer.Append("\u0301", out);
  EXPECT_GT(out.size(), 7'900u);
  composer.Finish(out);
  EXPECT_EQ(out.size(), 10'000u);
}

TEST(NfcComposer, LeavesBytesThatAreNoCharacterAlone) {
  EXPECT_EQ(Compose("e\xFF\u0301"), "e\xFF\u0301");
  EXPECT_EQ(Compose("cut \xE8\xAA"), "cut \xE8\xAA");
}

TEST(LowerCaser, BringsEachCharacterToItsSimpleLowerCase) {
  for (const size_t piece : {1, 2, 100}) {
    EXPECT_EQ(InPieces<LowerCaser>("ABC \u00C9\u011E\u0130I \u0391\u03A3 \u1E9E 1", piece),
              "abc \u00E9\u011Fii \u03B1\u03C3 \u00DF 1");
    EXPECT_EQ(InPieces<LowerCaser>("A\xFF\xC3", piece), "a\xFF\xC3");
  }
}

}  // namespace
}  // namespace derin
