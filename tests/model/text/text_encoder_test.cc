#include "model/text/text_encoder.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace derin {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Encoded in pieces of so many bytes.
std::vector<int32_t> InPieces(const Tokenizer& tokenizer, std::string_view text, size_t bytes) {
  TextEncoder encoder(tokenizer);
  std::vector<int32_t> tokens;
  const auto add = [&tokens](const std::vector<int32_t>& more) {
    tokens.insert(tokens.end(), more.begin(), more.end());
  };
  for (size_t i = 0; i < text.size(); i += bytes) add(encoder.Append(text.substr(i, bytes)));
  add(encoder.Finish());
  return tokens;
}

TEST(TextEncoder, GivesTheTokensOfTheWholeTextWhereverItIsCut) {
  std::string text;
  for (int i = 0; i < 30; ++i) text += "The keeper's güneş, 語 🐙 X.\n";
  WordCounter counter;
  ASSERT_TRUE(counter.Append(text).ok());
  ASSERT_TRUE(counter.Finish().ok());
  for (const Tokenizer& tokenizer :
       {Tokenizer::Characters(Vocabulary::FromText("Tthekprs' ,.üğ語🐙\n")), Tokenizer::Bytes(),
        Tokenizer::Words(counter.Vocabulary(8, 1))}) {
    const std::vector<int32_t> whole = tokenizer.Encode(text).tokens;
    for (size_t bytes = 1; bytes <= 600; bytes += bytes < 40 ? 1 : 37) {
      EXPECT_EQ(InPieces(tokenizer, text, bytes), whole)
          << TokenizationName(tokenizer.tokenization()) << " " << bytes;
    }
  }
}

TEST(TextEncoder, HoldsBackWhatIsNotCertain) {
  const Tokenizer tokenizer = Tokenizer::Characters(Vocabulary::FromText("aü"));
  TextEncoder encoder(tokenizer);
  EXPECT_THAT(encoder.Append("a\xC3"), ElementsAre(1));
  EXPECT_THAT(encoder.Append("\xBC"), ElementsAre(2));
  EXPECT_THAT(encoder.Finish(), IsEmpty());
}

TEST(TextEncoder, ADamagedEndIsUnknown) {
  const Tokenizer tokenizer = Tokenizer::Characters(Vocabulary::FromText("a"));
  EXPECT_THAT(InPieces(tokenizer, "a\xC3", 2), ElementsAre(1, 0));
  EXPECT_THAT(InPieces(tokenizer, "a", 1), ElementsAre(1)) << "and none of it is left behind";
}

}  // namespace
}  // namespace derin
