#include "model/checkpoint/strict_json.h"

#include <gmock/gmock.h>

#include <string>

namespace derin {
namespace {

using ::testing::HasSubstr;

TEST(StrictJson, ParsesWhatIsWellFormed) {
  const auto parsed = ParseStrictJson(R"( {"a": [1, {"b": "}]\"{["}], "c": {"a": 1}} )", 3);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ((*parsed)["a"][1]["b"], "}]\"{[");
}

TEST(StrictJson, RefusesWhatIsNoJson) {
  for (const std::string text : {"", "{", "{}x", "{'a': 1}", "[1,]", "\"\\ud800\"", "\"\xC3(\"",
                                 "[1e999]", "nul", "{} {}"}) {
    EXPECT_EQ(ParseStrictJson(text, 3).status().code(), absl::StatusCode::kDataLoss) << text;
  }
}

TEST(StrictJson, RefusesAKeyThatAnObjectHasTwice) {
  EXPECT_TRUE(ParseStrictJson(R"([{"a": 1}, {"a": 2}])", 3).ok());
  for (const std::string text :
       {R"({"a": 1, "a": 1})", R"({"b": {"a": 1, "c": {"a": 2}, "a": []}})"}) {
    const auto parsed = ParseStrictJson(text, 3);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kDataLoss) << text;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("the key \"a\" twice"));
  }
}

TEST(StrictJson, RefusesDeepNestingHoweverDeep) {
  EXPECT_TRUE(ParseStrictJson("[[]]", 2).ok());
  EXPECT_FALSE(ParseStrictJson("[[]]", 1).ok());
  EXPECT_FALSE(ParseStrictJson(std::string(1'000'000, '['), 3).ok());
  EXPECT_TRUE(ParseStrictJson("\"" + std::string(100, '[') + "\"", 0).ok());
}

TEST(StrictJson, RefusesMoreValuesThanAnyFileOfOursHas) {
  const auto numbers = [](int count) {
    std::string text = "[0";
    for (int i = 1; i < count; ++i) text += ",0";
    return text + "]";
  };
  EXPECT_TRUE(ParseStrictJson(numbers(65'536), 1).ok());
  EXPECT_THAT(std::string(ParseStrictJson(numbers(100'001), 1).status().message()),
              HasSubstr("100002 values, wanted at most 100000"));
  EXPECT_TRUE(ParseStrictJson("\"" + std::string(200'000, ',') + "\"", 0).ok());
}

}  // namespace
}  // namespace derin
