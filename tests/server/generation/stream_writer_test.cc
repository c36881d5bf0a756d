#include "server/generation/stream_writer.h"

#include <atomic>

#include "tests/server/generation/stored_sessions.h"
#include "tests/server/generation/tiny_version.h"

namespace derin::server {
namespace {

class StreamWriterTest : public testing::Test {
 protected:
  std::shared_ptr<Generation> Make(bool per_token) {
    auto session = *sessions_->OpenForOneCall(version_, "local", 1);
    EXPECT_TRUE(session->TryBegin().ok());
    return std::make_shared<Generation>(GenerationRequest{.per_token = per_token}, session, &sink_);
  }

  std::unique_ptr<Backend> backend_ = *NewBackend("auto");
  std::shared_ptr<const LoadedVersion> version_ = TinyVersion(*backend_);
  StoredSessions sessions_{*backend_};
  CollectingSink sink_;
  std::atomic<int> rooms_ = 0;
  StreamWriter writer_{[this] { ++rooms_; }};
};

TEST_F(StreamWriterTest, SendsWhatAccumulatedInOneMessageWithItsEnd) {
  const auto stream = Make(false);
  writer_.Add(stream);
  stream->outbox().Push(1, 1, "a");
  stream->outbox().Push(1, 2, "b");
  stream->outbox().PushEnd("", v1::GenerateEnd());
  writer_.Ready({stream});
  EXPECT_TRUE(sink_.AwaitEnd().ok());
  EXPECT_EQ(sink_.text(), "ab");
  EXPECT_EQ(sink_.pieces(), 1);
}

TEST_F(StreamWriterTest, SendsTokenByTokenWhenAskedTo) {
  const auto stream = Make(true);
  sink_.set_written([&] { writer_.Written(stream.get()); });
  writer_.Add(stream);
  for (int i = 0; i < 5; ++i) stream->outbox().Push(1, 1, "a");
  stream->outbox().PushEnd("", v1::GenerateEnd());
  writer_.Ready({stream});
  EXPECT_TRUE(sink_.AwaitEnd().ok());
  EXPECT_EQ(sink_.text(), "aaaaa");
  EXPECT_EQ(sink_.pieces(), 5);
}

TEST_F(StreamWriterTest, SaysWhenAFullOutboxHasRoomAgain) {
  const auto stream = Make(false);
  writer_.Add(stream);
  while (stream->outbox().HasRoom()) stream->outbox().Push(1, 1, "a");
  stream->outbox().PushEnd("", v1::GenerateEnd());
  writer_.Ready({stream});
  EXPECT_TRUE(sink_.AwaitEnd().ok());
  EXPECT_EQ(rooms_, 1);
}

}  // namespace
}  // namespace derin::server
