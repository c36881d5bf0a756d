#include "model/text/vocabulary.h"

#include <gmock/gmock.h>

namespace derin {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Vocabulary, NumbersCharactersByFallingCountThenByCodePoint) {
  const Vocabulary vocabulary = Vocabulary::FromText(
      "b\xC3\xBC\xC3\xBC"
      "a\xC3\xBC"
      "aac");
  EXPECT_THAT(vocabulary.characters(), ElementsAre(U'a', U'ü', U'b', U'c'));
  EXPECT_EQ(vocabulary.size(), 5);
  EXPECT_EQ(vocabulary.Id(U'a'), 1);
  EXPECT_EQ(vocabulary.Id(U'c'), 4);
  EXPECT_EQ(vocabulary.Character(2), U'ü');
}

TEST(Vocabulary, MapsWhatItLacksToUnknown) {
  const Vocabulary vocabulary = Vocabulary::FromText("abc");
  EXPECT_EQ(vocabulary.Id(U'd'), Vocabulary::kUnknown);
  EXPECT_EQ(vocabulary.Id(0), Vocabulary::kUnknown);
}

TEST(Vocabulary, OfAnEmptyTextHasOnlyUnknown) { EXPECT_EQ(Vocabulary::FromText("").size(), 1); }

TEST(Vocabulary, IsTheSameAfterBeingStored) {
  const Vocabulary vocabulary = Vocabulary::FromText("the time machine");
  const auto restored = Vocabulary::FromCharacters(vocabulary.characters());
  ASSERT_TRUE(restored.ok());
  EXPECT_EQ(restored->characters(), vocabulary.characters());
  EXPECT_EQ(restored->Id(U'm'), vocabulary.Id(U'm'));
}

TEST(Vocabulary, RefusesACharacterThatIsThereTwice) {
  const auto refused = Vocabulary::FromCharacters({U'a', U'b', U'a'});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("U+0061"));
}

TEST(Vocabulary, RefusesWhatIsNoScalarValue) {
  for (const char32_t character : {char32_t{0xD800}, char32_t{0xDFFF}, char32_t{0x110000}}) {
    EXPECT_EQ(Vocabulary::FromCharacters({character}).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace derin
