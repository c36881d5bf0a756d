#include "model/text/word_vocabulary.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "model/text/tokenizer.h"

namespace derin {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

WordCounter Counted(std::string_view text, size_t piece = 1 << 20) {
  WordCounter counter;
  while (!text.empty()) {
    EXPECT_TRUE(counter.Append(text.substr(0, piece)).ok());
    text.remove_prefix(std::min(piece, text.size()));
  }
  EXPECT_TRUE(counter.Finish().ok());
  return counter;
}

TEST(WordCounter, OrdersWordsByCountAndTiesByCodePoint) {
  const WordCounter counter = Counted("b b b a\xC3\xBC az \xF0\x9F\x98\x80 \xEF\xBC\xA1");
  EXPECT_EQ(counter.token_count(), 7);
  EXPECT_THAT(counter.Vocabulary(100, 1).words(),
              ElementsAre(" b", " az", " a\xC3\xBC", " \xEF\xBC\xA1", " \xF0\x9F\x98\x80", "b"));
}

TEST(WordCounter, KeepsTheMostFrequentOnesThatWereSeenOftenEnough) {
  const WordCounter counter = Counted("a a a a b b b c c d");
  EXPECT_THAT(counter.Vocabulary(3, 1).words(), ElementsAre(" a", " b"));
  EXPECT_EQ(counter.VocabularySize(3, 1), 3);
  EXPECT_THAT(counter.Vocabulary(100, 2).words(), ElementsAre(" a", " b", " c"));
  EXPECT_EQ(counter.VocabularySize(100, 2), 4);
  EXPECT_THAT(counter.Vocabulary(100, 4).words(), IsEmpty());
  EXPECT_EQ(counter.VocabularySize(100, 4), 1);
}

TEST(WordCounter, CountsTheSameHoweverTheTextIsCut) {
  std::string text;
  for (int i = 0; i < 400; ++i) {
    text +=
        "don't  stop\xE2\x80\x94na\xC3\xAFve " + std::string(static_cast<size_t>(i), 'x') + "\n";
  }
  const WordCounter whole = Counted(text);
  for (const size_t piece : {1, 7, 600}) {
    const WordCounter cut = Counted(text, piece);
    EXPECT_EQ(cut.token_count(), whole.token_count());
    EXPECT_EQ(cut.Vocabulary(65536, 1).words(), whole.Vocabulary(65536, 1).words());
  }
  const Tokenizer tokenizer = Tokenizer::Words(whole.Vocabulary(65536, 1));
  const Tokenizer::Encoded encoded = tokenizer.Encode(text);
  EXPECT_EQ(static_cast<int64_t>(encoded.tokens.size()), whole.token_count());
  EXPECT_EQ(encoded.unknown_count, 0);
  std::string back;
  for (const int32_t token : encoded.tokens) tokenizer.AppendBytes(token, back);
  EXPECT_EQ(back, text);
}

TEST(WordCounter, RefusesMoreDifferentWordsThanItMayHold) {
  WordCounter counter(/*most_distinct=*/3);
  ASSERT_TRUE(counter.Append("a b c b c").ok());
  ASSERT_TRUE(counter.Finish().ok());
  ASSERT_TRUE(counter.Append(" d").ok());
  const absl::Status status = counter.Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("more than 3 different words"));
}

TEST(WordVocabulary, RefusesWhatIsNotOneTokenEach) {
  for (const char* word : {"", "two words", "  a", "a.", "a ", "\xFF", "a\xC3"}) {
    const auto refused = WordVocabulary::FromWords({"the", word});
    ASSERT_FALSE(refused.ok()) << word;
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("token 2 of the vocabulary"));
  }
  const auto twice = WordVocabulary::FromWords({" the", "a", " the"});
  ASSERT_FALSE(twice.ok());
  EXPECT_THAT(std::string(twice.status().message()), HasSubstr("twice, as 1 and as 3"));
}

TEST(WordVocabulary, FindsWordsByTheirTextAndBack) {
  const auto vocabulary = WordVocabulary::FromWords({" the", "the", "\n", " "});
  ASSERT_TRUE(vocabulary.ok());
  const WordVocabulary copy = *vocabulary;
  EXPECT_EQ(copy.size(), 5);
  EXPECT_EQ(copy.Id(" the"), 1);
  EXPECT_EQ(copy.Id("the"), 2);
  EXPECT_EQ(copy.Id(" The"), 0);
  EXPECT_EQ(copy.Word(4), " ");
}

}  // namespace
}  // namespace derin
