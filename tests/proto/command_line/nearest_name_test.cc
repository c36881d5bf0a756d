#include "proto/command_line/nearest_name.h"

#include <gtest/gtest.h>

namespace derin {
namespace {

TEST(EditDistance, CountsInsertedDeletedReplacedAndSwapped) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("abc", "abc"), 0u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("abc", ""), 3u);
  EXPECT_EQ(EditDistance("abc", "abxc"), 1u);
  EXPECT_EQ(EditDistance("abc", "ac"), 1u);
  EXPECT_EQ(EditDistance("abc", "abd"), 1u);
  EXPECT_EQ(EditDistance("abcd", "abdc"), 1u);
  EXPECT_EQ(EditDistance("ab", "ba"), 1u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
  // A swapped pair is not edited again: true Damerau-Levenshtein would say 2.
  EXPECT_EQ(EditDistance("ca", "abc"), 3u);
}

TEST(EditDistance, IsTheSameBothWays) {
  for (const auto& [a, b] : {std::pair("generate", "genrate"), {"models", "modles"}, {"x", ""}}) {
    EXPECT_EQ(EditDistance(a, b), EditDistance(b, a));
  }
}

TEST(NearestName, FindsTheWordThatWasMeant) {
  const std::vector<std::string> commands = {"status", "corpus",   "train",   "jobs",
                                             "models", "generate", "sessions"};
  EXPECT_EQ(NearestName("genrate", commands), "generate");
  EXPECT_EQ(NearestName("modles", commands), "models");
  EXPECT_EQ(NearestName("sttaus", commands), "status");
  EXPECT_EQ(NearestName("session", commands), "sessions");
  EXPECT_EQ(NearestName("job", commands), "jobs");
  EXPECT_EQ(NearestName("tran", commands), "train");
}

TEST(NearestName, ProposesNothingThatIsFar) {
  EXPECT_EQ(NearestName("deploy", {"status", "train"}), std::nullopt);
  EXPECT_EQ(NearestName("a", {"b", "c"}), std::nullopt);
  EXPECT_EQ(NearestName("xy", {"ab"}), std::nullopt);
  EXPECT_EQ(NearestName("", {"train"}), std::nullopt);
  EXPECT_EQ(NearestName("train", {}), std::nullopt);
}

TEST(NearestName, TakesTheBeginningOfExactlyOneName) {
  EXPECT_EQ(NearestName("gen", {"train", "generate"}), "generate");
  EXPECT_EQ(NearestName("s", {"status", "sessions"}), std::nullopt);
}

TEST(NearestName, PrefersTheNameThatBeginsWithItToANearerOne) {
  EXPECT_EQ(NearestName("--temp", {"--tempo-x", "--help"}), "--tempo-x");
  EXPECT_EQ(NearestName("temp", {"hemp", "temperature"}), "temperature");
}

TEST(NearestName, FindsFlagsByTheirWordsAndNotByTheirDashes) {
  EXPECT_EQ(NearestName("--temp", {"--help", "--model"}), std::nullopt);
  EXPECT_EQ(NearestName("-model", {"--help", "--model"}), "--model");
  EXPECT_EQ(NearestName("--jsn", {"--help", "--json"}), "--json");
  EXPECT_EQ(NearestName("--", {"--help"}), std::nullopt);
}

TEST(NearestName, PrefersTheFewestEditsAndThenTheFirst) {
  EXPECT_EQ(NearestName("books-1", {"books-22", "books-2", "books-3"}), "books-2");
}

TEST(DidYouMean, IsEmptyWhenNothingIsNear) {
  EXPECT_EQ(DidYouMean("lsit", {"list", "show"}), ", did you mean 'list'?");
  EXPECT_EQ(DidYouMean("zzzz", {"list", "show"}), "");
}

}  // namespace
}  // namespace derin
