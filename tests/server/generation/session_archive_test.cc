#include "server/generation/session_archive.h"

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/status/error.h"
#include "tests/server/storage/disk_syncs.h"
#include "tests/server/storage/full_disk.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

class SessionArchiveTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }
  void Open() {
    archive_.reset();
    auto archive = SessionArchive::Open(folder_.path() / "sessions", options_, now_);
    ASSERT_TRUE(archive.ok()) << archive.status();
    archive_ = *std::move(archive);
  }

  SessionImage Image(const std::string& name, v1::Durability durability = v1::DURABILITY_PROCESS) {
    return {.name = name,
            .owner = "local",
            .idle_since = now_,
            .durability = durability,
            .time_to_live = absl::Hours(1)};
  }
  // A session whose calls ended at these positions.
  SessionImage Make(const std::string& name, const std::vector<int64_t>& positions,
                    v1::Durability durability = v1::DURABILITY_PROCESS) {
    SessionImage image = Image(name, durability);
    EXPECT_TRUE(archive_->Create(image).ok());
    for (const int64_t position : positions) Call(image, position);
    return image;
  }
  void Call(SessionImage& image, int64_t position) {
    image.last = LastCall{.start_sequence = image.sequence, .start_position = image.state.position};
    image.state.position = position;
    image.hidden.assign(24, static_cast<float>(position));
    EXPECT_TRUE(archive_->Put(image).ok());
  }
  std::vector<int64_t> Positions(const std::string& name) {
    std::vector<int64_t> positions;
    for (const auto& one : archive_->AllOf({"local", name})) positions.push_back(one.position);
    return positions;
  }

  // A round of the housekeeper's.
  absl::Status CompactAll() {
    for (int i = 0; i < 100; ++i) {
      const auto more = archive_->Compact();
      if (!more.ok()) return more.status();
      if (!*more) return absl::OkStatus();
    }
    return absl::InternalError("there is always more to compact");
  }

  absl::Time now_ = absl::UnixEpoch() + absl::Hours(1);
  SessionArchiveOptions options_;
  const TemporaryFolder folder_;
  std::unique_ptr<SessionArchive> archive_;
};

TEST_F(SessionArchiveTest, HasTheNewestImageAlsoAfterARestart) {
  Make("a", {3, 7});
  for (const auto tier : {v1::SESSION_TIER_HOST, v1::SESSION_TIER_DISK}) {
    const auto found = archive_->Newest({"local", "a"});
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->tier, tier);
    EXPECT_EQ(found->image.state.position, 7);
    EXPECT_EQ(found->image.hidden, std::vector<float>(24, 7.0f));
    EXPECT_EQ(found->image.sequence, archive_->NewestSequence({"local", "a"}));
    EXPECT_THAT(Positions("a"), ElementsAre(0, 3, 7));
    Open();
  }
}

TEST_F(SessionArchiveTest, WhatTheDiskCannotForgetIsStillThere) {
  Make("a", {3});
  {
    const FullDisk full(0);
    EXPECT_EQ(ErrorReason(archive_->Close({"local", "a"}).status()), "DISK_FULL");
  }
  EXPECT_TRUE(archive_->Newest({"local", "a"}).ok());
  EXPECT_TRUE(*archive_->Close({"local", "a"}));
  EXPECT_FALSE(*archive_->Close({"local", "a"}));
  Open();
  EXPECT_EQ(archive_->Newest({"local", "a"}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SessionArchiveTest, KnowsNothingOfOthersOrWhatWasRemoved) {
  Make("a", {3});
  EXPECT_EQ(archive_->Newest({"mallory", "a"}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(archive_->Remove({"local", "a"}));
  EXPECT_FALSE(archive_->Remove({"local", "a"}));
  SessionImage image = Image("a");
  EXPECT_EQ(archive_->Put(image).code(), absl::StatusCode::kNotFound);
  Open();
  EXPECT_EQ(archive_->NewestSequence({"local", "a"}), 0);
  EXPECT_EQ(archive_->counts().sessions, 0);
}

TEST_F(SessionArchiveTest, KeepsOnlyWhatItNeedsWhileTheDiskIsFull) {
  SessionImage image = Make("a", {3, 7});
  const auto fail = [&](int64_t position) {
    image.last = LastCall{.start_sequence = image.sequence, .start_position = image.state.position};
    image.state.position = position;
    EXPECT_EQ(ErrorReason(archive_->Put(image)), "SESSION_NOT_SAVED");
  };
  int64_t bytes = 0;
  {
    const FullDisk full(0);
    fail(8);
    fail(9);
    bytes = archive_->counts().host_bytes;
    for (int64_t position = 10; position < 500; ++position) fail(position);
  }
  // What a restart would begin with, and the last call's start and end.
  EXPECT_THAT(Positions("a"), ElementsAre(0, 3, 7, 498, 499));
  EXPECT_EQ(archive_->At({"local", "a"}, image.last->start_sequence)->state.position, 498);
  EXPECT_LT(archive_->counts().host_bytes, bytes + 100);
  Call(image, 500);
  EXPECT_THAT(Positions("a"), ElementsAre(0, 3, 7, 499, 500));
  Open();
  EXPECT_THAT(Positions("a"), ElementsAre(0, 3, 7, 500));
}

TEST_F(SessionArchiveTest, ACallMadeAgainReplacesWhatItLeftBefore) {
  SessionImage image = Make("a", {3, 7});
  image.state.position = 5;  // of the same last call
  ASSERT_TRUE(archive_->Put(image).ok());
  EXPECT_THAT(Positions("a"), ElementsAre(0, 3, 5));
  Open();
  EXPECT_THAT(Positions("a"), ElementsAre(0, 3, 5));
  EXPECT_EQ(archive_->At({"local", "a"}, image.last->start_sequence)->state.position, 3);
}

TEST_F(SessionArchiveTest, RemembersEverFewerOfWhatIsLongAgo) {
  SessionImage image = Make("a", {});
  for (int64_t position = 10; position <= 10'000; position += 10) Call(image, position);
  const std::vector<int64_t> positions = Positions("a");
  ASSERT_THAT(positions, SizeIs(66));
  EXPECT_EQ(positions[64], 9990) << "where the last call began";
  EXPECT_EQ(positions[65], 10'000);
  int in_last_tenth = 0, in_first_half = 0;
  for (const int64_t position : positions) {
    in_last_tenth += position > 9000;
    in_first_half += position < 5000;
  }
  EXPECT_GT(in_last_tenth, 2 * in_first_half);
  EXPECT_GT(in_first_half, 2);
  Open();
  EXPECT_EQ(Positions("a"), positions);
}

TEST_F(SessionArchiveTest, WhatEndsWithTheProcessIsGoneAfterIt) {
  Make("a", {3, 7, 9}, v1::DURABILITY_NONE);
  EXPECT_THAT(Positions("a"), ElementsAre(7, 9)) << "its last call's start and end";
  EXPECT_EQ(archive_->counts().disk_bytes, 0);
  Open();
  EXPECT_EQ(archive_->NewestSequence({"local", "a"}), 0);
}

TEST_F(SessionArchiveTest, TheLeastUsedGoesToDiskWhenMemoryIsFull) {
  options_.host_bytes = 800;
  Open();
  Make("a", {3}, v1::DURABILITY_NONE);
  Make("b", {4});
  ASSERT_EQ(archive_->Newest({"local", "a"})->tier, v1::SESSION_TIER_HOST);
  for (int i = 0; i < 6; ++i) Make(absl::StrCat("c", i), {5});
  const SessionArchive::Counts counts = archive_->counts();
  EXPECT_LE(counts.host_bytes, 800);
  EXPECT_GE(counts.in_memory, 2);
  EXPECT_EQ(counts.in_memory + counts.moved_to_disk, 8);
  for (const char* name : {"a", "b"}) {
    const auto found = archive_->Newest({"local", name});
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->tier, v1::SESSION_TIER_DISK);
  }
  EXPECT_EQ(archive_->Newest({"local", "a"})->image.state.position, 3);
  EXPECT_EQ(archive_->Newest({"local", "c5"})->tier, v1::SESSION_TIER_HOST);
  Open();
  EXPECT_EQ(archive_->NewestSequence({"local", "a"}), 0) << "it was on disk for want of memory";
  EXPECT_NE(archive_->NewestSequence({"local", "b"}), 0);
}

TEST_F(SessionArchiveTest, CountsThoseOnTheDeviceApart) {
  Make("a", {3});
  Make("b", {3});
  EXPECT_EQ(archive_->counts().in_memory, 2);
  archive_->EnterDevice({"local", "a"});
  archive_->EnterDevice({"local", "a"});
  EXPECT_EQ(archive_->counts().in_memory, 1);
  archive_->LeaveDevice({"local", "a"}, now_);
  EXPECT_EQ(archive_->counts().in_memory, 2);
  archive_->EnterDevice({"local", "a"});
  archive_->Remove({"local", "a"});
  EXPECT_EQ(archive_->counts().in_memory, 1);
}

TEST_F(SessionArchiveTest, UseOnTheDeviceWithoutAChangePutsTheEndOff) {
  const SessionImage image = Make("a", {3});
  const SessionArchive::Key key = image.key();
  const absl::Time end = image.expire_time();
  archive_->LeaveDevice(key, end - absl::Minutes(1));
  EXPECT_EQ(archive_->Newest(key)->image.expire_time(), end);
  archive_->LeaveDevice(key, end + absl::Minutes(30));
  EXPECT_EQ(archive_->Newest(key)->image.expire_time(), end + absl::Minutes(30));
  EXPECT_FALSE(archive_->RemoveExpired(key, end));
  EXPECT_TRUE(archive_->RemoveExpired(key, end + absl::Minutes(30)));
}

TEST_F(SessionArchiveTest, GivesDiskBackThatNobodyNeeds) {
  options_.segment_bytes = 4000;
  Open();
  std::vector<SessionImage> images;
  for (int i = 0; i < 20; ++i) images.push_back(Make(absl::StrCat("s", i), {1, 2, 3}));
  for (int i = 0; i < 20; i += 2) archive_->Remove({"local", images[i].name});
  const int64_t before = archive_->counts().disk_bytes;
  int compacted = 0;
  for (;; ++compacted) {
    const auto more = archive_->Compact();
    ASSERT_TRUE(more.ok()) << more.status();
    if (!*more) break;
    ASSERT_LT(compacted, 100);
  }
  EXPECT_GT(compacted, 0);
  EXPECT_EQ(archive_->counts().disk_bytes, before) << "what is needed is all there";
  for (int restart = 0; restart < 2; ++restart) {
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(Positions(images[i].name).size(), i % 2 == 0 ? 0u : 4u) << i;
      if (i % 2 == 0) continue;
      EXPECT_EQ(archive_->Newest({"local", images[i].name})->image.state.position, 3);
    }
    Open();
  }
}

TEST_F(SessionArchiveTest, SyncsAgainAfterADiskThatFailedTwiceHasRecovered) {
  SessionImage image = Make("a", {3});
  {
    const FailingSyncs failing;
    for (const int64_t position : {7, 9}) {
      EXPECT_FALSE(archive_->Sync().ok());
      Call(image, position);
    }
    EXPECT_FALSE(archive_->Sync().ok());
    EXPECT_FALSE(CompactAll().ok());
  }
  EXPECT_TRUE(CompactAll().ok());
  EXPECT_TRUE(archive_->Sync().ok());
  Open();
  EXPECT_THAT(Positions("a"), ElementsAre(0, 3, 7, 9));
}

TEST_F(SessionArchiveTest, ADiskThatFailsForLongIsNotFilled) {
  Make("a", {3});
  ASSERT_TRUE(archive_->Sync().ok());
  SessionImage image = Make("b", {3});
  Make("c", {3});
  archive_->Remove({"local", "c"});
  const auto bytes = [&] {
    uintmax_t sum = 0;
    for (const std::string& name : NamesIn(folder_.path() / "sessions")) {
      sum += std::filesystem::file_size(folder_.path() / "sessions" / name);
    }
    return sum;
  };
  {
    const FailingSyncs failing;
    EXPECT_FALSE(archive_->Sync().ok());
    EXPECT_FALSE(CompactAll().ok());
    const uintmax_t before = bytes();
    for (int round = 0; round < 10; ++round) {
      EXPECT_FALSE(archive_->Sync().ok());
      EXPECT_FALSE(CompactAll().ok());
    }
    EXPECT_EQ(bytes(), before);
    for (int64_t position = 4; position < 24; ++position) {
      Call(image, position);
      EXPECT_FALSE(archive_->Sync().ok());
    }
    EXPECT_THAT(NamesIn(folder_.path() / "sessions"), SizeIs(testing::Le(3)));
  }
  EXPECT_TRUE(CompactAll().ok());
  EXPECT_TRUE(archive_->Sync().ok());
  EXPECT_THAT(NamesIn(folder_.path() / "sessions"), SizeIs(1));
  Open();
  EXPECT_THAT(Positions("a"), ElementsAre(0, 3));
  EXPECT_EQ(Positions("b").back(), 23);
  EXPECT_EQ(archive_->NewestSequence({"local", "c"}), 0);
}

TEST_F(SessionArchiveTest, NobodyWaitsForTheDiskButWhoSyncs) {
  options_.segment_bytes = 2000;
  Open();
  SessionImage image = Make("a", {3});
  Make("b", {4});
  const std::vector<std::function<void()>> syncs = {
      [this] { EXPECT_TRUE(archive_->Sync().ok()); },
      [this] { EXPECT_TRUE(archive_->Compact().ok()); }};
  for (const auto& sync : syncs) {
    std::thread syncing;
    {
      const StalledSyncs stalled;
      syncing = std::thread(sync);
      stalled.AwaitOne();
      const int64_t begin = image.state.position;
      for (int64_t i = 1; i <= 50; ++i) Call(image, begin + i);  // some segments full
      EXPECT_TRUE(archive_->Newest({"local", "b"}).ok());
      EXPECT_EQ(archive_->counts().sessions, 2);
    }
    syncing.join();
  }
  EXPECT_TRUE(CompactAll().ok());
  Open();
  EXPECT_EQ(Positions("a").back(), 103);
}

TEST_F(SessionArchiveTest, OpensNoMoreWhenTheDiskHasItsShare) {
  options_.disk_bytes = 1000;
  Open();
  int opened = 0;
  absl::Status status;
  for (; status.ok() && opened < 100; ++opened) {
    SessionImage image = Image(absl::StrCat("s", opened));
    status = archive_->Create(image);
  }
  EXPECT_LT(opened, 30);
  EXPECT_EQ(ErrorReason(status), "SESSIONS_FULL");
  SessionImage first = archive_->Newest({"local", "s0"})->image;
  Call(first, 5);  // those that are there go on
  archive_->Remove({"local", "s1"});
}

TEST_F(SessionArchiveTest, FindsTheExpiredStepByStep) {
  for (int i = 0; i < 5; ++i) {
    now_ += absl::Minutes(10);
    Make(absl::StrCat("s", i), {});
  }
  const absl::Time later = now_ + absl::Minutes(35);
  std::vector<std::string> expired;
  SessionArchive::Key after;
  int rounds = 0;
  do {
    for (const auto& [owner, name] : archive_->Expired(later, 2, after)) expired.push_back(name);
    ASSERT_LT(++rounds, 10);
  } while (!after.second.empty());
  EXPECT_THAT(expired, ElementsAre("s0", "s1"));
}

TEST_F(SessionArchiveTest, RemovesTheExpiredOnlyIfTheyStillAre) {
  SessionImage image = Make("a", {});
  const absl::Time later = now_ + absl::Minutes(90);
  image.idle_since += absl::Hours(1);  // a call, just now
  ASSERT_TRUE(archive_->Put(image).ok());
  EXPECT_FALSE(archive_->RemoveExpired({"local", "a"}, later));
  EXPECT_TRUE(archive_->RemoveExpired({"local", "a"}, later + absl::Hours(1)));
  EXPECT_FALSE(archive_->RemoveExpired({"local", "a"}, later + absl::Hours(1)));
}

TEST_F(SessionArchiveTest, NamesTheSessionsOfAnOwnerInOrder) {
  for (const char* name : {"b", "c", "a"}) Make(name, {});
  EXPECT_THAT(archive_->Names("local", "", 2), ElementsAre("a", "b"));
  EXPECT_THAT(archive_->Names("local", "b", 2), ElementsAre("c"));
  EXPECT_THAT(archive_->Names("mallory", "", 2), testing::IsEmpty());
}

TEST_F(SessionArchiveTest, CountsTheSessionsOfEachVersionAlsoAfterARestart) {
  for (const char* name : {"a", "b", "c"}) {
    SessionImage image = Image(name);
    image.model_version = name[0] == 'c' ? "models/n/versions/1" : "models/m/versions/1";
    ASSERT_TRUE(archive_->Create(image).ok());
    Call(image, 3);
  }
  for (int run = 0; run < 2; ++run) {
    EXPECT_EQ(archive_->CountOf("models/m/versions/1"), 2);
    EXPECT_EQ(archive_->CountOf("models/n/versions/1"), 1);
    EXPECT_EQ(archive_->CountOf("models/m/versions/2"), 0);
    Open();
  }
  EXPECT_TRUE(archive_->Remove({"local", "a"}));
  EXPECT_EQ(archive_->CountOf("models/m/versions/1"), 1);
  Open();
  EXPECT_EQ(archive_->CountOf("models/m/versions/1"), 1);
}

TEST_F(SessionArchiveTest, FindsTheVersionInTheBodyWhereAnOldHeaderDoesNotSay) {
  SessionImage image = Image("a");
  image.model_version = "models/m/versions/1";
  image.sequence = 1;
  archive_.reset();
  {
    auto log = SegmentLog::Open(folder_.path() / "sessions", {}, [](const auto&, auto, auto) {});
    ASSERT_TRUE(log.ok()) << log.status();
    SessionImage old = image;
    old.model_version.clear();
    ASSERT_TRUE((*log)->Append(EncodeHeader(old, {}), EncodeBody(image)).ok());
  }
  Open();
  EXPECT_EQ(archive_->CountOf("models/m/versions/1"), 1);
}

TEST_F(SessionArchiveTest, KnowsWhoHasWhatAndHowMany) {
  for (const char* name : {"a", "c"}) Make(name, {1, 2});
  SessionImage other = Image("b");
  other.owner = "ada";
  ASSERT_TRUE(archive_->Create(other).ok());
  using Key = SessionArchive::Key;
  for (int restarts = 0; restarts < 2; ++restarts) {
    EXPECT_EQ(archive_->CountOwnedBy("local"), 2);
    EXPECT_EQ(archive_->CountOwnedBy("ada"), 1);
    EXPECT_EQ(archive_->CountOwnedBy("mallory"), 0);
    EXPECT_EQ(archive_->OwnerOf("b"), "ada");
    EXPECT_EQ(archive_->OwnerOf("c"), "local");
    EXPECT_EQ(archive_->OwnerOf("d"), "");
    EXPECT_THAT(archive_->Keys({}, 2), ElementsAre(Key("ada", "b"), Key("local", "a")));
    EXPECT_THAT(archive_->Keys({"local", "a"}, 2), ElementsAre(Key("local", "c")));
    Open();
  }
  archive_->Remove({"ada", "b"});
  archive_->Remove({"local", "a"});
  EXPECT_EQ(archive_->CountOwnedBy("ada"), 0);
  EXPECT_EQ(archive_->CountOwnedBy("local"), 1);
  EXPECT_EQ(archive_->OwnerOf("b"), "");
}

}  // namespace
}  // namespace derin::server
