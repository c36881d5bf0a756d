#include "server/logging/call_log.h"

#include <spdlog/spdlog.h>

#include <string>
#include <utility>
#include <vector>

#include "server/logging/log_line.h"

namespace derin::server {

CallLog::CallLog(MonotonicClock clock) : limit_(kLinesPerSecond, std::move(clock)) {}

bool CallLog::Wanted() { return spdlog::should_log(spdlog::level::debug); }

void CallLog::Ended(const EndedCall& call) {
  if (!Wanted()) return;
  const std::optional<int64_t> left_out = limit_.Admit();
  if (!left_out.has_value()) return;
  std::vector<LogField> fields = {{"method", std::string(call.method)},
                                  {"code", absl::StatusCodeToString(call.code)},
                                  {"seconds", absl::ToDoubleSeconds(call.duration)}};
  const auto add = [&fields](std::string_view name, std::string_view value) {
    if (!value.empty()) fields.push_back({name, std::string(value)});
  };
  add("caller", call.caller);
  add("reason", call.reason);
  add("trace_id", call.trace_id);
  if (*left_out > 0) fields.push_back({"left_out", *left_out});
  Log(spdlog::level::debug, "Call ended", fields);
}

}  // namespace derin::server
