#include "client/cli/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace derin::cli {
namespace {

using ::testing::HasSubstr;

// What is wrong with `words` (from the front); empty when nothing is.
std::string Parse(CLI::App& app, std::vector<std::string> words) {
  std::reverse(words.begin(), words.end());
  try {
    app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    return error.what();
  }
  return "";
}

TEST(ParseNumbers, TakeAllOfTheTextOrNothing) {
  EXPECT_EQ(ParseWhole("12"), 12);
  EXPECT_EQ(ParseWhole("-12"), -12);
  EXPECT_EQ(ParseWhole("010"), 10);
  for (const char* text : {"", "1.5", "12x", "0x10", "9223372036854775808"}) {
    EXPECT_EQ(ParseWhole(text), std::nullopt) << text;
  }
  EXPECT_EQ(ParseUnsigned("18446744073709551615"), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(ParseUnsigned("-1"), std::nullopt);
  EXPECT_EQ(ParseReal("1e-3"), 0.001);
  EXPECT_EQ(ParseReal("2"), 2);
  EXPECT_EQ(ParseReal("two"), std::nullopt);
}

TEST(ParseTime, TakesUnitsOrSeconds) {
  EXPECT_EQ(ParseTime("90s"), absl::Seconds(90));
  EXPECT_EQ(ParseTime("15m"), absl::Minutes(15));
  EXPECT_EQ(ParseTime("1h30m"), absl::Minutes(90));
  EXPECT_EQ(ParseTime("2.5ms"), absl::Microseconds(2500));
  EXPECT_EQ(ParseTime("90"), absl::Seconds(90));
  EXPECT_EQ(ParseTime("0.5"), absl::Milliseconds(500));
  EXPECT_EQ(ParseTime("-1s"), absl::Seconds(-1));
  for (const char* text : {"", "s", "90 s", "90x", "1d", "inf", "-inf", "nan", "1e400"}) {
    EXPECT_EQ(ParseTime(text), std::nullopt) << text;
  }
}

TEST(AddTime, SaysWhatItGotAndWhatItWanted) {
  CLI::App app;
  std::optional<absl::Duration> time;
  AddTime(app, "--ttl", time, "how long it stays [a day]");
  EXPECT_EQ(Parse(app, {"--ttl", "24h"}), "");
  EXPECT_EQ(time, absl::Hours(24));
  EXPECT_EQ(Parse(app, {"--ttl", "soon"}),
            "--ttl: got 'soon', wanted a time such as 90s, 15m or 1h30m, or a number of seconds "
            "(how long it stays)");
}

TEST(AddLabels, TakesKeysAndValuesThatMayBeEmptyOrHaveAnEqualsSign) {
  CLI::App app;
  std::map<std::string, std::string> labels;
  AddLabels(app, "--label", labels, "");
  EXPECT_EQ(Parse(app, {"--label", "a=1", "--label", "b=", "--label", "c=x=y", "--label", "a=2"}),
            "");
  EXPECT_EQ(labels, (std::map<std::string, std::string>{{"a", "2"}, {"b", ""}, {"c", "x=y"}}));
  EXPECT_THAT(Parse(app, {"--label", "a"}), HasSubstr("wanted KEY=VALUE"));
  EXPECT_THAT(Parse(app, {"--label", "=a"}), HasSubstr("wanted KEY=VALUE"));
}

TEST(AddNumber, LeavesAFlagThatIsNotGivenUnset) {
  CLI::App app;
  std::optional<int32_t> layers;
  std::optional<double> rate;
  AddNumber(app, "--layers", layers, "");
  AddNumber(app, "--lr", rate, "");
  EXPECT_EQ(Parse(app, {"--lr", "-0.5"}), "");
  EXPECT_EQ(rate, -0.5);
  EXPECT_EQ(layers, std::nullopt);
}

TEST(AddNumber, SaysWhatItGotAndWhatItWanted) {
  CLI::App app;
  std::optional<int32_t> layers;
  std::optional<int64_t> epochs;
  std::optional<uint64_t> seed;
  std::optional<double> rate;
  AddNumber(app, "--layers", layers, "recurrent layers, 1 to 8 [2]");
  AddNumber(app, "--epochs", epochs, "passes, 1 to 1000000 [500]");
  AddNumber(app, "--seed", seed, "of weights [drawn]");
  AddNumber(app, "--lr", rate, "highest learning rate");
  EXPECT_EQ(Parse(app, {"--layers", "abc"}),
            "--layers: got 'abc', wanted a whole number (recurrent layers, 1 to 8)");
  EXPECT_EQ(Parse(app, {"--layers", "99999999999"}),
            "--layers: got '99999999999', wanted a whole number (recurrent layers, 1 to 8)");
  EXPECT_EQ(Parse(app, {"--epochs", "1.5"}),
            "--epochs: got '1.5', wanted a whole number (passes, 1 to 1000000)");
  EXPECT_THAT(Parse(app, {"--seed", "-1"}), HasSubstr("got '-1', wanted a whole number from 0"));
  EXPECT_EQ(Parse(app, {"--lr", ""}), "--lr: got '', wanted a number (highest learning rate)");
}

TEST(AddEnum, TakesItsNamesAndProposesTheNearest) {
  CLI::App app;
  client::Cell cell = client::Cell::kUnspecified;
  AddEnum(app, "--cell", cell, kCellNames, "");
  EXPECT_EQ(Parse(app, {"--cell", "vanilla-relu"}), "");
  EXPECT_EQ(cell, client::Cell::kVanillaRelu);
  EXPECT_EQ(Parse(app, {"--cell", "lstn"}),
            "--cell: got 'lstn', wanted lstm|gru|vanilla-tanh|vanilla-relu, did you mean 'lstm'?");
}

}  // namespace
}  // namespace derin::cli
