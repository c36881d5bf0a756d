#include "server/generation/stop_matcher.h"

#include <cstdint>
#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/sampling/philox.h"

namespace derin::server {
namespace {

// All that is sent of a text that arrives in `pieces`, up to a stop string.
struct Sent {
  std::string text;
  std::string stop;
  HeldBack held;
};
Sent Send(const std::vector<std::string>& stops, const std::vector<std::string>& pieces,
          bool include = false) {
  const StopMatcher matcher(stops, include);
  Sent sent;
  for (const std::string& piece : pieces) {
    const auto found = matcher.Append(piece, true, sent.held);
    sent.text += found.text;
    if (found.stop == nullptr) continue;
    sent.stop = *found.stop;
    break;
  }
  return sent;
}

TEST(StopMatcher, EndsATextBeforeItsStopString) {
  const Sent sent = Send({"END"}, {"a", "b", "E", "N", "D", "c"});
  EXPECT_EQ(sent.text, "ab");
  EXPECT_EQ(sent.stop, "END");
  EXPECT_EQ(sent.held.text, "");
}

TEST(StopMatcher, EndsATextAfterItsStopStringWhenThatIsIncluded) {
  const Sent sent = Send({"END"}, {"a", "E", "N", "D", "c"}, /*include=*/true);
  EXPECT_EQ(sent.text, "aEND");
  EXPECT_EQ(sent.stop, "END");
}

TEST(StopMatcher, KeepsBackWhatMayBecomeAStopStringAndSendsItWhenItDoesNot) {
  EXPECT_EQ(Send({"END"}, {"a", "E", "N"}).text, "a");
  EXPECT_EQ(Send({"END"}, {"a", "E", "N"}).held.unsent(), "EN");
  EXPECT_EQ(Send({"END"}, {"a", "E", "N", "E"}).text, "aEN");
  EXPECT_EQ(Send({"END"}, {"a", "E", "N", "E", "N", "D"}).text, "aEN");
  EXPECT_EQ(Send({"END"}, {"a", "E", "N"}, /*include=*/true).text, "aEN");
}

TEST(StopMatcher, FindsAStopStringThatBeginsWithinAnother) {
  const Sent sent = Send({"aab"}, {"a", "a", "a", "a", "b"});
  EXPECT_EQ(sent.text, "aa");
  EXPECT_EQ(sent.stop, "aab");
}

TEST(StopMatcher, TakesTheLongestOfThoseThatAPieceCompletes) {
  EXPECT_EQ(Send({"c", "abc", "bc"}, {"x", "a", "b", "c"}).stop, "abc");
  EXPECT_EQ(Send({"c", "abc", "bc"}, {"x", "a", "b", "c"}).text, "x");
}

TEST(StopMatcher, TakesTheFirstWithinOnePiece) {
  const Sent sent = Send({"b", "d"}, {"abcd"});
  EXPECT_EQ(sent.text, "a");
  EXPECT_EQ(sent.stop, "b");
}

TEST(StopMatcher, PassesOverWhatMayNotStopYet) {
  const StopMatcher matcher({"ab"}, false);
  HeldBack held;
  EXPECT_EQ(matcher.Append("a", false, held).text, "");
  const auto found = matcher.Append("b", false, held);
  EXPECT_EQ(found.stop, nullptr);
  EXPECT_EQ(found.text, "ab");
}

TEST(StopMatcher, GoesOnWithWhatAnEarlierCallKeptBack) {
  HeldBack held;
  EXPECT_EQ(StopMatcher({"END"}, false).Append("xEN", true, held).text, "x");
  // The same stop string: completed by this call, with nothing of it ever sent.
  HeldBack same = held;
  EXPECT_EQ(StopMatcher({"END"}, false).Resume(same), "");
  const auto found = StopMatcher({"END"}, false).Append("D", true, same);
  EXPECT_NE(found.stop, nullptr);
  EXPECT_EQ(found.text, "");
  // Another one: what was kept back is ordinary text now.
  HeldBack other = held;
  EXPECT_EQ(StopMatcher({"Nx"}, false).Resume(other), "E");
  EXPECT_EQ(other.unsent(), "N");
  // A stop string that was complete before this call does not end it.
  HeldBack complete = held;
  EXPECT_EQ(StopMatcher({"EN"}, false).Resume(complete), "EN");
}

TEST(StopMatcher, NeverSendsABeginningTwiceAfterACallThatIncludedIt) {
  HeldBack held;
  EXPECT_EQ(StopMatcher({"END"}, true).Append("xEN", true, held).text, "xEN");
  const StopMatcher excluding({"END"}, false);
  EXPECT_EQ(excluding.Resume(held), "");
  const auto found = excluding.Append("D", true, held);
  EXPECT_NE(found.stop, nullptr);
  EXPECT_EQ(found.text, "") << "EN is with the client already, D is left out";
}

// Against the definition: the first position where a stop string ends, the longest one there.
TEST(StopMatcher, SendsWhatASearchOfTheWholeTextSays) {
  for (uint32_t test = 0; test < 3000; ++test) {
    uint32_t drawn = 0;
    const auto below = [&](uint32_t bound) {
      return IntegerBelow(Philox4x32({{test, drawn++, 0, 7}}, 3).word[0], bound);
    };
    const auto letters = [&](uint32_t count) {
      std::string text;
      for (uint32_t i = 0; i < count; ++i) text += static_cast<char>('a' + below(2));
      return text;
    };
    std::vector<std::string> stops;
    for (uint32_t i = 1 + below(3); i > 0; --i) stops.push_back(letters(1 + below(6)));
    std::vector<std::string> pieces;
    std::string whole;
    for (int i = 0; i < 12; ++i) whole += pieces.emplace_back(letters(below(4)));
    const bool include = below(2) == 0;

    std::string wanted_text = whole, wanted_stop;
    for (size_t end = 1; end <= whole.size() && wanted_stop.empty(); ++end) {
      for (const std::string& stop : stops) {
        const bool ends =
            end >= stop.size() && whole.compare(end - stop.size(), stop.size(), stop) == 0;
        if (ends && stop.size() > wanted_stop.size()) wanted_stop = stop;
      }
      if (!wanted_stop.empty())
        wanted_text = whole.substr(0, end - (include ? 0 : wanted_stop.size()));
    }
    const Sent sent = Send(stops, pieces, include);
    ASSERT_EQ(sent.stop, wanted_stop) << "test " << test;
    ASSERT_EQ(sent.text + std::string(sent.held.unsent()), wanted_text) << "test " << test;
  }
}

}  // namespace
}  // namespace derin::server
