#include "server/rpc/call_generation.h"

#include "gtest/gtest.h"
#include "tests/server/generation/stored_sessions.h"
#include "tests/server/generation/tiny_version.h"

namespace derin::server {
namespace {

class CallGenerationTest : public testing::Test, public StreamSink {
 protected:
  void Send(StreamPiece) override {}
  std::shared_ptr<Generation> NewGeneration() {
    return std::make_shared<Generation>(GenerationRequest{},
                                        sessions_.Open(TinyVersion(*backend_), "local", 1), this);
  }

  std::unique_ptr<Backend> backend_ = *NewBackend("auto");
  StoredSessions sessions_{*backend_};
  CallGeneration generation_;
};

TEST_F(CallGenerationTest, IsCancelledWithItsCall) {
  EXPECT_EQ(generation_.get(), nullptr);
  const auto made = NewGeneration();
  generation_.Set(made);
  EXPECT_EQ(generation_.get(), made.get());
  EXPECT_FALSE(made->cancelled());
  generation_.Cancel();
  EXPECT_TRUE(made->cancelled());
}

TEST_F(CallGenerationTest, IsCancelledAtOnceWhenItsClientHasLeftBefore) {
  generation_.Cancel();
  const auto made = NewGeneration();
  generation_.Set(made);
  EXPECT_TRUE(made->cancelled());
}

}  // namespace
}  // namespace derin::server
