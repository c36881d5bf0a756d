#include "server/rpc/token_texts.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct AddTokensByTextTest : testing::Test {
  AddTokensByTextTest()
      : words{.tokenizer =
                  Tokenizer::Words(*WordVocabulary::FromWords({" the", "the", " sea", ".", "\n"})),
              .normalization = Normalization::kLowerCase} {}

  std::string FieldAtFault(TokenRules rules = {}) {
    return ErrorField(AddTokensByText(sampling, words, rules));
  }

  const LoadedVersion words;
  v1::SamplingSettings sampling;
};

TEST_F(AddTokensByTextTest, FindsWordsWithAndWithoutTheirSpaceEachOnce) {
  sampling.add_allowed_texts("The");
  sampling.add_allowed_texts("sea");
  sampling.add_allowed_texts(" the");
  TokenRules rules{.allowed = {4}};
  ASSERT_TRUE(AddTokensByText(sampling, words, rules).ok());
  EXPECT_THAT(rules.allowed, ElementsAre(4, 2, 1, 3));
  EXPECT_TRUE(rules.banned.empty());
}

TEST_F(AddTokensByTextTest, BansCharactersOfAModelOfCharacters) {
  const LoadedVersion letters{.tokenizer = Tokenizer::Characters(Vocabulary::FromText("aab"))};
  sampling.add_banned_texts("b");
  TokenRules rules;
  ASSERT_TRUE(AddTokensByText(sampling, letters, rules).ok());
  EXPECT_THAT(rules.banned, ElementsAre(2));
  sampling.add_banned_texts("ab");
  EXPECT_EQ(ErrorField(AddTokensByText(sampling, letters, rules)), "sampling.banned_texts[1]");
}

TEST_F(AddTokensByTextTest, RefusesWhatIsNoTokenByItsPlaceAndText) {
  for (const char* text : {"", "storm", "the sea", "the."}) {
    sampling.clear_banned_texts();
    sampling.add_banned_texts("sea");
    sampling.add_banned_texts(text);
    TokenRules rules;
    const absl::Status status = AddTokensByText(sampling, words, rules);
    EXPECT_EQ(ErrorField(status), "sampling.banned_texts[1]") << text;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("wanted the text of one token that the model's vocabulary has"));
  }
}

TEST_F(AddTokensByTextTest, RefusesTooMany) {
  for (int i = 0; i < 1025; ++i) sampling.add_allowed_texts("sea");
  EXPECT_EQ(FieldAtFault(), "sampling.allowed_texts");
  sampling.mutable_allowed_texts()->RemoveLast();
  EXPECT_EQ(FieldAtFault(), "");
}

TEST_F(AddTokensByTextTest, RefusesToAllowAndBanAtOnce) {
  sampling.add_banned_texts("sea");
  EXPECT_EQ(FieldAtFault({.allowed = {1}}), "sampling.banned_texts");
  sampling.add_allowed_texts("the");
  EXPECT_EQ(FieldAtFault(), "sampling.banned_texts");
  sampling.clear_banned_texts();
  EXPECT_EQ(FieldAtFault({.banned = {4}}), "sampling.allowed_texts");
}

TEST_F(AddTokensByTextTest, RefusesABiasForWhatIsNotDrawn) {
  sampling.add_banned_texts("sea");
  EXPECT_EQ(FieldAtFault({.bias = {{3, 1.0f}}}), "sampling.logit_bias[3]");
  EXPECT_EQ(FieldAtFault({.bias = {{1, 1.0f}}}), "");
  sampling.clear_banned_texts();
  sampling.add_allowed_texts("sea");
  EXPECT_EQ(FieldAtFault({.bias = {{1, 1.0f}}}), "sampling.logit_bias[1]");
  EXPECT_EQ(FieldAtFault({.bias = {{3, 1.0f}}}), "");
}

}  // namespace
}  // namespace derin::server
