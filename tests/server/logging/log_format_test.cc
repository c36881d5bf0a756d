#include "server/logging/log_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>

#include <nlohmann/json.hpp>

#include "server/logging/log_line.h"
#include "tests/server/logging/captured_log.h"

namespace derin::server {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

TEST(LogFormat, TextIsForPeople) {
  CapturedLog log(LogFormat::kText);
  Log(spdlog::level::info, "Call ended",
      {{"method", std::string("A/B")}, {"seconds", 0.25}, {"count", int64_t{-3}}});
  EXPECT_THAT(log.text(),
              MatchesRegex("[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+\\.[0-9]+[+-][0-9]+:[0-9]+ "
                           "info Call ended method=A/B seconds=0.25 count=-3\n"));
}

TEST(LogFormat, NoValueLooksLikeAnotherFieldOrLine) {
  CapturedLog log(LogFormat::kText);
  Log(spdlog::level::info, "x",
      {{"a", std::string("b c=d")}, {"e", std::string("f\ninfo g")}, {"h", std::string()}});
  EXPECT_THAT(log.text(), EndsWith(R"( info x a="b c=d" e="f\ninfo g" h="")"
                                   "\n"));
}

TEST(LogFormat, JsonHasTimeLevelMessageAndFields) {
  CapturedLog log(LogFormat::kJson);
  Log(spdlog::level::err, "It \"failed\"",
      {{"method", std::string("A/B")}, {"seconds", 0.25}, {"count", int64_t{1} << 60}});
  EXPECT_THAT(log.text(), EndsWith("}\n"));
  const auto line = nlohmann::ordered_json::parse(log.text());
  EXPECT_THAT(line["time"].get<std::string>(),
              MatchesRegex("[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+\\.[0-9][0-9][0-9]Z"));
  EXPECT_EQ(line["level"], "error");
  EXPECT_EQ(line["message"], "It \"failed\"");
  EXPECT_EQ(line["method"], "A/B");
  EXPECT_EQ(line["seconds"], 0.25);
  EXPECT_EQ(line["count"], int64_t{1} << 60);
  EXPECT_EQ(line.begin().key(), "time");
}

TEST(LogFormat, JsonIsValidWhateverIsLogged) {
  CapturedLog log(LogFormat::kJson);
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  Log(spdlog::level::info, bytes,
      {{"bytes", bytes}, {"number", std::numeric_limits<double>::quiet_NaN()}});
  spdlog::info("plain\nline {}", bytes);
  const std::string text = log.text();
  const size_t end = text.find('\n');
  for (const std::string& line : {text.substr(0, end), text.substr(end + 1)}) {
    EXPECT_TRUE(nlohmann::json::accept(line)) << line;
  }
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_THAT(text, HasSubstr("plain\\nline"));
}

}  // namespace
}  // namespace derin::server
