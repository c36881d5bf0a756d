#include "server/generation/session_housekeeper.h"

#include <sched.h>

#include <atomic>
#include <memory>
#include <vector>

#include "tests/server/generation/stored_sessions.h"
#include "tests/server/generation/tiny_version.h"

namespace derin::server {
namespace {

TEST(SessionHousekeeper, RemovesWhatExpiredAndGivesTheDiskBack) {
  const auto backend = *NewBackend("auto");
  const auto version = TinyVersion(*backend);
  StoredSessions sessions(*backend, {}, {.segment_bytes = 2000});
  for (int i = 0; i < 50; ++i) sessions.Open(version, "local", 1);
  ASSERT_GT(sessions.archive().counts().disk_bytes, 4000);
  sessions.now += absl::Hours(25);
  const SessionHousekeeper housekeeper(*sessions, sessions.archive(), absl::Milliseconds(1));
  while (sessions->counts().sessions > 0) sched_yield();
  EXPECT_EQ(sessions.archive().counts().disk_bytes, 0);
  EXPECT_EQ(sessions->counts().on_device, 0);
}

TEST(SessionHousekeeper, DoesWhatElseThereIsToDoInEachRound) {
  const auto backend = *NewBackend("auto");
  StoredSessions sessions(*backend, {}, {.segment_bytes = 2000});
  std::atomic<int> rounds = 0;
  const SessionHousekeeper housekeeper(*sessions, sessions.archive(), absl::Milliseconds(1),
                                       [&rounds] { ++rounds; });
  while (rounds < 2) sched_yield();
}

}  // namespace
}  // namespace derin::server
