#include "server/rpc/score_reactor.h"

#include <cmath>

#include "gtest/gtest.h"

// The calls themselves: tests/end_to_end/score_test.cc.
namespace derin::server {
namespace {

TEST(TextScore, OfNothingIsZero) {
  const v1::ScoreTotals totals = TextScore().totals();
  EXPECT_EQ(totals.tokens(), 0);
  EXPECT_EQ(totals.perplexity(), 0);
  EXPECT_EQ(totals.bits_per_character(), 0);
}

TEST(TextScore, CountsTokensForPerplexityAndCharactersForBits) {
  TextScore score;
  score.AddText("aé", 1);  // as a model of bytes has it: three tokens
  for (int i = 0; i < 3; ++i) score.AddToken(std::log(0.25));
  const v1::ScoreTotals totals = score.totals();
  EXPECT_EQ(totals.tokens(), 3);
  EXPECT_EQ(totals.characters(), 2);
  EXPECT_EQ(totals.unknown_count(), 1);
  EXPECT_NEAR(totals.log_probability(), 3 * std::log(0.25), 1e-12);
  EXPECT_NEAR(totals.perplexity(), 4, 1e-12);
  EXPECT_NEAR(totals.bits_per_character(), 3, 1e-12) << "six bits in two characters";
}

}  // namespace
}  // namespace derin::server
