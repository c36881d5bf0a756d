#include "server/logging/call_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/server/logging/captured_log.h"

namespace derin::server {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

EndedCall Call(std::string_view method) {
  return {.method = method, .caller = "", .reason = "", .duration = {}, .trace_id = ""};
}

TEST(CallLog, SaysWhoCalledWhatAndHowItEnded) {
  CapturedLog captured(LogFormat::kText, spdlog::level::debug);
  CallLog log;
  EXPECT_TRUE(CallLog::Wanted());
  log.Ended({.method = "CorpusService/GetCorpus",
             .caller = "ada",
             .code = absl::StatusCode::kNotFound,
             .reason = "CORPUS_NOT_FOUND",
             .duration = absl::Microseconds(1250),
             .trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"});
  EXPECT_THAT(captured.text(),
              EndsWith(" debug Call ended method=CorpusService/GetCorpus code=NOT_FOUND "
                       "seconds=0.00125 caller=ada reason=CORPUS_NOT_FOUND "
                       "trace_id=4bf92f3577b34da6a3ce929d0e0e4736\n"));
  log.Ended(Call("A/B"));
  EXPECT_THAT(captured.text(), EndsWith(" Call ended method=A/B code=OK seconds=0\n"));
}

TEST(CallLog, SaysHowManyLinesAreMissing) {
  CapturedLog captured(LogFormat::kText, spdlog::level::debug);
  absl::Duration now = absl::Seconds(1);
  CallLog log([&now] { return now; });
  for (int i = 0; i < CallLog::kLinesPerSecond + 30; ++i) log.Ended(Call("A/B"));
  EXPECT_THAT(captured.text(), Not(HasSubstr("left_out")));
  now += absl::Milliseconds(20);
  log.Ended(Call("A/C"));
  EXPECT_THAT(captured.text(), EndsWith("method=A/C code=OK seconds=0 left_out=30\n"));
}

TEST(CallLog, WritesNothingAtHigherLevels) {
  CapturedLog captured(LogFormat::kText, spdlog::level::info);
  CallLog log;
  EXPECT_FALSE(CallLog::Wanted());
  log.Ended(Call("A/B"));
  EXPECT_EQ(captured.text(), "");
}

}  // namespace
}  // namespace derin::server
