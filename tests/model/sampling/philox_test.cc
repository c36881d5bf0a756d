#include "model/sampling/philox.h"

#include <gmock/gmock.h>

namespace derin {
namespace {

using ::testing::ElementsAre;

// Source: Random123, tests/kat_vectors, philox4x32-10.
TEST(Philox, GivesThePublishedKnownAnswers) {
  EXPECT_THAT(Philox4x32({{0, 0, 0, 0}}, 0).word,
              ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  EXPECT_THAT(
      Philox4x32({{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}}, 0xffffffffffffffff).word,
      ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(
      Philox4x32({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0x299f31d0a4093822).word,
      ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(Philox, PutsThePurposeIntoTheLastWord) {
  const PhiloxBlock named = Philox4x32(RandomPurpose::kPartition, 5, 6, 7, 8);
  EXPECT_THAT(named.word, ::testing::ElementsAreArray(Philox4x32({{5, 6, 7, 3}}, 8).word));
}

TEST(Philox, UniformIsBelowOneAndAMultipleOfTwoToTheMinus24) {
  EXPECT_EQ(UnitUniform(0), 0.0f);
  EXPECT_EQ(UnitUniform(0xff), 0.0f);
  EXPECT_EQ(UnitUniform(0x100), 0x1p-24f);
  EXPECT_EQ(UnitUniform(0xffffffff), 1 - 0x1p-24f);
}

TEST(Philox, IntegerBelowReachesBothEnds) {
  EXPECT_EQ(IntegerBelow(0, 35), 0u);
  EXPECT_EQ(IntegerBelow(0xffffffff, 35), 34u);
  EXPECT_EQ(IntegerBelow(0x80000000, 35), 17u);
  EXPECT_EQ(IntegerBelow(0xffffffff, 1), 0u);
}

}  // namespace
}  // namespace derin
