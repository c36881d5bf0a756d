#include "server/generation/session_gauges.h"

#include "absl/strings/str_cat.h"
#include "prometheus/text_serializer.h"
#include "tests/server/generation/stored_sessions.h"
#include "tests/server/generation/tiny_version.h"

namespace derin::server {
namespace {

using testing::HasSubstr;

TEST(SessionGauges, SayWhereSessionsAreAndWhereTheyCameFrom) {
  const auto backend = *NewBackend("auto");
  const auto version = TinyVersion(*backend);
  // Room for one state on the device, and for a few in memory.
  StoredSessions sessions(*backend, {.device_bytes = 2 * 192}, {.host_bytes = 700});
  ServerMetrics metrics;
  BindSessionGauges(metrics, *sessions);
  for (int i = 0; i < 9; ++i) sessions.Open(version, "local", 1);
  const SessionStore::Counts counts = sessions->counts();
  const std::string page = prometheus::TextSerializer().Serialize(metrics.all.Collect());
  EXPECT_THAT(page, HasSubstr("derin_sessions{tier=\"device\"} 1\n"));
  EXPECT_THAT(page, HasSubstr(absl::StrCat("derin_sessions{tier=\"host\"} ", counts.in_memory)));
  EXPECT_THAT(
      page, HasSubstr(absl::StrCat("derin_sessions{tier=\"disk\"} ", 8 - counts.in_memory, "\n")));
  EXPECT_THAT(page, HasSubstr("derin_session_state_bytes{tier=\"device\"} 192\n"));
  EXPECT_THAT(page, HasSubstr("derin_session_evictions_total{reason=\"device_full\"} 8\n"));
  EXPECT_THAT(page, HasSubstr("derin_session_restores_total{tier=\"disk\",result=\"failed\"} 0\n"));
}

}  // namespace
}  // namespace derin::server
