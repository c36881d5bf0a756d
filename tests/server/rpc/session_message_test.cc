#include "server/rpc/session_message.h"

#include <limits>

#include "gmock/gmock.h"
#include "server/status/error.h"
#include "tests/server/generation/tiny_version.h"

namespace derin::server {
namespace {

TEST(SessionMessage, SaysWhenAnIdleSessionEndsAndNothingOfABusyOne) {
  SessionView view{.image = {.name = "sessions/a-1",
                             .owner = "ada",
                             .model_version = "models/m/versions/2",
                             .idle_since = absl::UnixEpoch() + absl::Seconds(10),
                             .durability = v1::DURABILITY_POWER,
                             .time_to_live = absl::Seconds(50),
                             .state = {.position = 7, .seed = 8, .stream = 9}},
                   .tier = v1::SESSION_TIER_HOST,
                   .remembered = {{0, 0}, {3, 7}}};
  v1::Session session = ToProto(view);
  EXPECT_EQ(session.name(), "sessions/a-1");
  EXPECT_EQ(session.model_version(), "models/m/versions/2");
  EXPECT_EQ(session.owner(), "ada");
  EXPECT_EQ(session.position(), 7);
  EXPECT_EQ(session.seed(), 8u);
  EXPECT_EQ(session.stream(), 9u);
  EXPECT_EQ(session.idle_since().seconds(), 10);
  EXPECT_EQ(session.expire_time().seconds(), 60);
  EXPECT_EQ(session.tier(), v1::SESSION_TIER_HOST);
  EXPECT_EQ(session.durability(), v1::DURABILITY_POWER);
  ASSERT_EQ(session.remembered_size(), 2);
  EXPECT_EQ(session.remembered(1).first(), 3);
  EXPECT_EQ(session.remembered(1).last(), 7);
  view.busy = true;
  session = ToProto(view);
  EXPECT_FALSE(session.has_idle_since());
  EXPECT_FALSE(session.has_expire_time());
}

TEST(SessionMessage, ReadsHowASessionIsKept) {
  SessionStore::OpenOptions options;
  ASSERT_TRUE(ParseKeeping(v1::DURABILITY_UNSPECIFIED, nullptr, absl::Hours(1), options).ok());
  EXPECT_EQ(options.durability, v1::DURABILITY_PROCESS);
  EXPECT_FALSE(options.time_to_live.has_value());
  google::protobuf::Duration time;
  time.set_seconds(3600);
  ASSERT_TRUE(ParseKeeping(v1::DURABILITY_NONE, &time, absl::Hours(1), options).ok());
  EXPECT_EQ(options.durability, v1::DURABILITY_NONE);
  EXPECT_EQ(options.time_to_live, absl::Hours(1));
}

TEST(SessionMessage, RefusesTimesAndDurabilitiesThatAreNone) {
  SessionStore::OpenOptions options;
  for (const int64_t seconds :
       {int64_t{-1}, int64_t{0}, int64_t{3601}, std::numeric_limits<int64_t>::max()}) {
    google::protobuf::Duration time;
    time.set_seconds(seconds);
    const absl::Status status =
        ParseKeeping(v1::DURABILITY_UNSPECIFIED, &time, absl::Hours(1), options);
    EXPECT_EQ(ErrorField(status), "time_to_live") << seconds;
  }
  EXPECT_EQ(
      ErrorField(ParseKeeping(static_cast<v1::Durability>(9), nullptr, absl::Hours(1), options)),
      "durability");
}

TEST(SessionMessage, AStateFitsItsModelOnly) {
  const auto backend = *NewBackend("auto");
  const auto version = TinyVersion(*backend);
  SessionImage image{.state = {.position = 1, .pending = 8},
                     .hidden = std::vector<float>(2 * 2 * 12)};
  EXPECT_TRUE(CheckFits(image, *version, "image").ok());
  image.state.pending = 9;
  EXPECT_EQ(ErrorField(CheckFits(image, *version, "image")), "image") << "of 9 tokens";
  image.state.pending.reset();
  image.state.recent.Push(-1);
  EXPECT_FALSE(CheckFits(image, *version, "image").ok());
  image.state.recent = {};
  image.hidden.pop_back();
  EXPECT_THAT(std::string(CheckFits(image, *version, "image").message()),
              testing::HasSubstr("47 numbers, wanted 48"));
}

}  // namespace
}  // namespace derin::server
