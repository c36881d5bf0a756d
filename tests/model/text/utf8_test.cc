#include "model/text/utf8.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace derin {
namespace {

using ::testing::HasSubstr;

struct Fault {
  std::string text;
  int64_t offset;
};

// One of each kind of malformed text, each with the offset of the byte where no character starts.
std::vector<Fault> Faults() {
  return {
      {"ab\x80", 2},            // a continuation alone
      {"a\xC0\xAF", 1},         // longer than needed, two bytes
      {"\xE0\x9F\xBF", 0},      // and three
      {"\xF0\x8F\xBF\xBF", 0},  // and four
      {"abc\xED\xA0\x80z", 3},  // a surrogate
      {"\xF4\x90\x80\x80", 0},  // above U+10FFFF
      {"\xF8\x88\x80\x80", 0},  // five bytes
      {"\xC3\xA9\xC3(", 2},     // a lead without its continuation
      {"x\xE2\x82y", 1},        // cut in the middle of a text
      {"\xF0\x9F\x98\xC3\xA9", 0},
      {"\xFF", 0},
  };
}

absl::Status CheckInPieces(const std::string& text, size_t first_length) {
  Utf8Checker checker;
  absl::Status status = checker.Append(std::string_view(text).substr(0, first_length));
  if (status.ok()) status = checker.Append(std::string_view(text).substr(first_length));
  return status.ok() ? checker.Finish() : status;
}

std::string AppendAll(const std::vector<char32_t>& characters) {
  std::string text;
  for (const char32_t character : characters) AppendCharacter(character, text);
  return text;
}

TEST(Utf8, DecodesWhatItAppendsForEveryScalarValue) {
  std::string text;
  for (char32_t character = 0; character <= 0x10FFFF; ++character) {
    if (character >= 0xD800 && character <= 0xDFFF) continue;
    text.clear();
    AppendCharacter(character, text);
    const auto decoded = DecodeCharacter(text);
    ASSERT_TRUE(decoded.has_value()) << std::hex << static_cast<uint32_t>(character);
    ASSERT_EQ(decoded->code_point, character);
    ASSERT_EQ(decoded->length, static_cast<int>(text.size()));
  }
}

TEST(Utf8, DecodesNothingFromACutOrMalformedCharacter) {
  EXPECT_FALSE(DecodeCharacter("").has_value());
  for (const std::string text : {"\xC3", "\xE2\x82", "\xF0\x9F\x98", "\x80", "\xC0\xAF"}) {
    EXPECT_FALSE(DecodeCharacter(text).has_value());
  }
}

TEST(Utf8Checker, AcceptsWellFormedTextCutAnywhere) {
  const std::string text = AppendAll(
      {U'a', U'ü', 0x7FF, 0x800, U'€', 0xD7FF, 0xE000, 0xFFFF, 0x10000, U'😀', 0x10FFFF, 0, U'z'});
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(CheckInPieces(text, cut), absl::OkStatus()) << "cut at " << cut;
  }
  Utf8Checker checker;
  for (const char byte : text) EXPECT_EQ(checker.Append({&byte, 1}), absl::OkStatus());
  EXPECT_EQ(checker.Finish(), absl::OkStatus());
}

TEST(Utf8Checker, NamesTheOffsetOfTheFirstFaultHoweverTheTextIsCut) {
  for (const Fault& fault : Faults()) {
    const std::string text = "0123456789" + fault.text;
    const absl::Status whole = CheckInPieces(text, text.size());
    EXPECT_EQ(whole.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(whole.message()),
                HasSubstr("offset " + std::to_string(10 + fault.offset) + " "));
    for (size_t cut = 0; cut < text.size(); ++cut) {
      EXPECT_EQ(CheckInPieces(text, cut), whole) << "cut at " << cut;
    }
  }
}

TEST(Utf8Checker, RefusesATextThatEndsInsideACharacter) {
  for (const std::string end : {"\xC3", "\xE2\x82", "\xF0\x9F\x98"}) {
    for (size_t cut = 0; cut <= 3; ++cut) {
      const absl::Status status = CheckInPieces("abc" + end, cut);
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_THAT(std::string(status.message()), HasSubstr("ends inside the character"));
      EXPECT_THAT(std::string(status.message()), HasSubstr("offset 3 "));
    }
  }
}

TEST(Utf8Assembler, GivesWholeCharactersOnly) {
  Utf8Assembler assembler;
  EXPECT_EQ(assembler.Append("a\xE2"), "a");
  EXPECT_EQ(assembler.Append("\x82"), "");
  EXPECT_EQ(assembler.Append("\xAC!"), "\xE2\x82\xAC!");
  EXPECT_EQ(assembler.Flush(), "");
}

TEST(Utf8Assembler, ReplacesWhatIsHeldBackAtTheEnd) {
  Utf8Assembler assembler;
  EXPECT_EQ(assembler.Append("ok\xF0\x9F"), "ok");
  EXPECT_EQ(assembler.Flush(), "\xEF\xBF\xBD");
  EXPECT_EQ(assembler.Append("\x9F"), "\xEF\xBF\xBD");
}

// The practice of the Unicode Standard, section 3.9, with its example, table 3-11.
TEST(Utf8Assembler, ReplacesEachMaximalSubpartByOneCharacter) {
  EXPECT_EQ(Utf8Assembler().Append("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"),
            AppendAll({0xFFFD, 0xFFFD, 0xFFFD, 0xFFFD, U'A'}));
  EXPECT_EQ(Utf8Assembler().Append("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            AppendAll({0xFFFD, 0xFFFD, 0xFFFD, 0xFFFD, 0xFFFD, 0xFFFD, 0xFFFD, 0xFFFD, U'A'}));
}

TEST(Utf8Assembler, GivesTheSameTextHoweverTheBytesAreCut) {
  std::string bytes = "start \xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80 ";
  for (const Fault& fault : Faults()) bytes += fault.text + "|";
  bytes += "\xE2\x82";
  Utf8Assembler whole;
  std::string expected = whole.Append(bytes);
  expected += whole.Flush();
  EXPECT_EQ(CheckInPieces(expected, 5), absl::OkStatus());
  for (size_t piece = 1; piece < 6; ++piece) {
    Utf8Assembler assembler;
    std::string text;
    for (size_t i = 0; i < bytes.size(); i += piece)
      text += assembler.Append(bytes.substr(i, piece));
    EXPECT_EQ(text + assembler.Flush(), expected) << "pieces of " << piece;
  }
}

}  // namespace
}  // namespace derin
