#include "server/generation/device_sessions.h"

#include <string>
#include <vector>

#include "server/status/error.h"
#include "tests/server/generation/tiny_version.h"

namespace derin::server {
namespace {

using testing::ElementsAre;

// Of a state of TinyVersion: layers, h and c, units, bytes.
constexpr int64_t kStateBytes = 2 * 2 * 12 * 4;

class DeviceSessionsTest : public testing::Test {
 protected:
  std::shared_ptr<Session> Add(const std::string& name) {
    auto lease = sessions_.Lease(*version_);
    EXPECT_TRUE(lease.ok()) << lease.status();
    auto session = std::make_shared<Session>(SessionImage{.name = name, .owner = "local"}, version_,
                                             *std::move(lease));
    sessions_.Add(session);
    return session;
  }

  std::unique_ptr<Backend> backend_ = *NewBackend("auto");
  std::shared_ptr<const LoadedVersion> version_ = TinyVersion(*backend_);
  std::vector<std::string> left_;
  // Room for three.
  DeviceSessions sessions_{*backend_, 2 * 3 * kStateBytes,
                           [this](const Session& session) { left_.push_back(session.name()); }};
};

TEST_F(DeviceSessionsTest, TheLeastUsedThatNobodyHasMakesRoom) {
  Add("a"), Add("c");
  const auto busy = Add("b");
  EXPECT_NE(sessions_.Use({"local", "a"}), nullptr);
  EXPECT_NE(sessions_.Find({"local", "c"}), nullptr) << "which is no use";
  Add("d");
  Add("e");
  EXPECT_THAT(left_, ElementsAre("c", "a"));
  EXPECT_EQ(sessions_.left(), 2);
  EXPECT_EQ(sessions_.size(), 3);
  EXPECT_EQ(sessions_.Use({"local", "c"}), nullptr);
  EXPECT_EQ(sessions_.Use({"local", "b"}), busy);
}

TEST_F(DeviceSessionsTest, WithoutAnyThatNobodyHasThereIsNoRoom) {
  const auto a = Add("a"), b = Add("b");
  auto c = Add("c");
  const absl::Status status = sessions_.Lease(*version_).status();
  EXPECT_EQ(ErrorReason(status), "DEVICE_MEMORY_FULL");
  EXPECT_TRUE(ErrorRetryDelay(status).has_value());
  sessions_.Remove({"local", "c"});
  EXPECT_FALSE(sessions_.Lease(*version_).ok()) << "a call still steps its slot";
  c.reset();
  EXPECT_TRUE(sessions_.Lease(*version_).ok());
  EXPECT_EQ(sessions_.taken_bytes(), 2 * kStateBytes);
}

TEST_F(DeviceSessionsTest, AllThatNobodyHasCanLeave) {
  Add("a"), Add("b");
  const auto busy = Add("c");
  sessions_.RemoveUnused();
  EXPECT_EQ(sessions_.size(), 1);
  EXPECT_EQ(sessions_.Find({"local", "c"}), busy);
}

TEST_F(DeviceSessionsTest, StatesOfAnotherSizeTakeHalfOfWhatIsLeftOrAPoolThatNobodyUses) {
  auto lease = *sessions_.Lease(*version_);
  // Half of the other half is one and a half of the first's states.
  const StackConfig config{.layers = 2, .hidden = 16, .vocabulary = 9};
  LoadedVersion wide{
      .tokenizer = Tokenizer::Bytes(),
      .model = *LanguageModel::Create(*backend_, config, InitialParameters(config, 1), 4)};
  EXPECT_TRUE(sessions_.Lease(wide).ok());
  const StackConfig wider_config{.layers = 2, .hidden = 18, .vocabulary = 9};
  LoadedVersion wider{.tokenizer = Tokenizer::Bytes(),
                      .model = *LanguageModel::Create(*backend_, wider_config,
                                                      InitialParameters(wider_config, 1), 4)};
  const absl::Status status = sessions_.Lease(wider).status();
  EXPECT_EQ(ErrorReason(status), "") << "the second pool is in nobody's use: " << status;
  const auto second = sessions_.Lease(wider);
  EXPECT_TRUE(second.ok());
  EXPECT_EQ(ErrorReason(sessions_.Lease(wide).status()), "DEVICE_MEMORY_FULL");
  lease.reset();
  EXPECT_TRUE(sessions_.Lease(wide).ok());
}

TEST_F(DeviceSessionsTest, SessionsThatNobodyHasMakeRoomForStatesOfAnotherSize) {
  // More sizes than halves of halves have room for, each used once and left.
  for (int hidden = 12; hidden <= 20; hidden += 2) {
    const StackConfig config{.layers = 2, .hidden = hidden, .vocabulary = 9};
    const LoadedVersion version{
        .tokenizer = Tokenizer::Bytes(),
        .model = *LanguageModel::Create(*backend_, config, InitialParameters(config, 1), 4)};
    auto lease = sessions_.Lease(version);
    ASSERT_TRUE(lease.ok()) << hidden << ": " << lease.status();
    sessions_.Add(std::make_shared<Session>(
        SessionImage{.name = absl::StrFormat("of %d", hidden), .owner = "local"}, version_,
        *std::move(lease)));
  }
  EXPECT_THAT(left_, ElementsAre("of 12", "of 14", "of 16", "of 18"));
  EXPECT_EQ(sessions_.left(), 4);
  EXPECT_EQ(sessions_.size(), 1);
}

TEST_F(DeviceSessionsTest, ClosesAllOfAVersionAlsoThoseThatSomebodyHas) {
  const auto busy = Add("a");
  Add("b");
  version_ = TinyVersion(*backend_, 2);
  const auto other = Add("c");
  sessions_.CloseAllOf("models/tiny/versions/1");
  EXPECT_TRUE(busy->closed());
  EXPECT_FALSE(other->closed());
  EXPECT_EQ(sessions_.size(), 1);
  EXPECT_EQ(sessions_.Find({"local", "c"}), other);
  EXPECT_THAT(left_, testing::UnorderedElementsAre("a", "b"));
}

}  // namespace
}  // namespace derin::server
