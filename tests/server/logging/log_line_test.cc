#include "server/logging/log_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/server/logging/captured_log.h"

namespace derin::server {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(LogLine, FieldsBelongToTheirLineOnly) {
  CapturedLog log(LogFormat::kText);
  Log(spdlog::level::warn, "First", {{"number", int64_t{7}}});
  EXPECT_THAT(log.text(), EndsWith(" warning First number=7\n"));
  spdlog::info("Second");
  EXPECT_THAT(log.text(), EndsWith(" info Second\n"));
  EXPECT_TRUE(FieldsOfThisLine().empty());
}

TEST(LogLine, BracesOfAMessageAreAsTheyAre) {
  CapturedLog log(LogFormat::kText);
  Log(spdlog::level::info, "{} {0} {", {});
  EXPECT_THAT(log.text(), EndsWith(" info {} {0} {\n"));
}

TEST(LogLine, ALevelThatIsOffIsNotWritten) {
  CapturedLog log(LogFormat::kText);
  Log(spdlog::level::debug, "Hidden", {{"a", std::string("b")}});
  EXPECT_THAT(log.text(), Not(HasSubstr("Hidden")));
}

}  // namespace
}  // namespace derin::server
