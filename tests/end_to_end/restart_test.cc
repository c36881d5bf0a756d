#include <gmock/gmock.h>
#include <sched.h>
#include <signal.h>

#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "client_test_server.h"
#include "derind_process.h"
#include "server/storage/sha256.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;

// A real server that is told to stop while texts are under way, and started again where it was.
class RestartTest : public ClientTest {
 protected:
  void SetUp() override {
    Start("127.0.0.1:0");
    std::string kind;
    std::ifstream(folder_.path() / "port") >> kind >> address_;
    client_ = NewClient();
    TrainModel();
  }

  void Start(const std::string& listen) {
    const std::string folder = folder_.path().native();
    derind_.emplace(std::vector<std::string>{"--listen", listen, "--metrics-listen", "",
                                             "--data-dir", folder + "/data", "--port-file",
                                             folder + "/port", "--grace", "0s"});
    derind_->AwaitOutput("serves on");
  }
  std::unique_ptr<client::Client> NewClient() {
    auto connected = client::Client::Connect({.address = address_});
    EXPECT_TRUE(connected.ok()) << connected.status();
    return *std::move(connected);
  }

  // Half of the texts go on in sessions, the others have none.
  client::GenerateOptions Request(int number) {
    client::GenerateOptions options;
    options.prompt = "the ";
    options.seed = number;
    if (number % 2 == 0) {
      options.model = "models/sea";
    } else {
      const auto session = client_->OpenSession("models/sea", {});
      EXPECT_TRUE(session.ok()) << session.status();
      options.session = session->name;
    }
    return options;
  }

  std::optional<Derind> derind_;
  std::string address_;
};

TEST_F(RestartTest, TextsGoOnWithNothingLostOrDoubled) {
  constexpr int kTexts = 4;
  constexpr size_t kMore = 2000;  // characters of each that its second server makes
  std::vector<client::GenerateOptions> twins;
  std::vector<std::string> texts(kTexts);
  std::vector<std::vector<std::string>> breaks(kTexts);
  absl::BlockingCounter begun(kTexts);
  absl::Notification stopping;
  std::vector<std::thread> threads;
  for (int i = 0; i < kTexts; ++i) {
    client::GenerateOptions options = Request(i);
    twins.push_back(Request(i));
    // It does not end by itself, and waits for its reader, who waits for the server to be told.
    options.max_tokens = 1'000'000;
    options.per_token = true;
    threads.emplace_back([&, i, options] {
      const auto client = NewClient();
      size_t enough = std::string::npos;
      bool first = true;
      const auto end =
          client->Generate(options, {.text =
                                         [&](std::string_view text, const std::vector<int32_t>&) {
                                           texts[i] += text;
                                           if (std::exchange(first, false)) {
                                             begun.DecrementCount();
                                             stopping.WaitForNotification();
                                           }
                                           return texts[i].size() < enough;
                                         },
                                     .reconnecting =
                                         [&](const absl::Status& status) {
                                           breaks[i].emplace_back(status.message());
                                           enough = texts[i].size() + kMore;
                                         }});
      EXPECT_TRUE(absl::IsCancelled(end.status())) << end.status();
    });
  }
  begun.Wait();
  derind_->Kill(SIGTERM);
  stopping.Notify();
  EXPECT_EQ(derind_->ExitStatus(), 0);
  Start(address_);
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kTexts; ++i) {
    ASSERT_FALSE(breaks[i].empty());
    EXPECT_THAT(breaks[i][0], HasSubstr("the server stops"));
    twins[i].max_tokens = static_cast<int32_t>(texts[i].size());
    EXPECT_EQ(texts[i], Generate(twins[i]).text) << i;
  }
}

TEST_F(RestartTest, CallsWaitForTheServerToBeThereAgain) {
  derind_->Kill(SIGTERM);
  EXPECT_EQ(derind_->ExitStatus(), 0);
  std::thread starting([this] { Start(address_); });
  const auto models = client_->ListModels();
  starting.join();
  ASSERT_TRUE(models.ok()) << models.status();
  ASSERT_EQ(models->size(), 1u);
  EXPECT_EQ(models->front().name, "models/sea");
}

// 24 MiB, each part of it another.
std::string LongText() {
  std::string text;
  while (text.size() < 24 << 20) text += std::to_string(text.size()) + " ";
  return text;
}

TEST_F(RestartTest, AnUploadGoesOnFromWhatWasCommittedWhenItsServerIsKilled) {
  const std::string text = LongText();
  size_t position = 0;
  int64_t before = 0, after = 0;
  const client::ByteSource source = [&](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
    if (position >= 12 << 20 && before == 0) {
      while (before < 4 << 20) {  // what was sent is on its way there
        sched_yield();
        before = client_->GetCorpusUpload("mine")->committed_bytes;
      }
      derind_->Kill(SIGKILL);
      EXPECT_EQ(derind_->ExitStatus(), -1);
      Start(address_);
      // gRPC may still take the connection of before for one that is whole.
      auto upload = client_->GetCorpusUpload("mine");
      while (absl::IsUnavailable(upload.status())) upload = client_->GetCorpusUpload("mine");
      after = upload->committed_bytes;
    }
    const size_t count = text.copy(buffer.data(), buffer.size(), position);
    position += count;
    return count;
  };
  int breaks = 0;
  const auto corpus =
      client_->UploadCorpus({.corpus_id = "long", .upload_id = "mine"}, source,
                            {.reconnecting = [&](const absl::Status&) { ++breaks; }});
  ASSERT_TRUE(corpus.ok()) << corpus.status();
  EXPECT_GE(after, before);
  EXPECT_GE(breaks, 1);
  EXPECT_EQ(corpus->sha256, Sha256Hex(text));
  EXPECT_EQ(corpus->size_bytes, static_cast<int64_t>(text.size()));
  EXPECT_EQ(client_->GetCorpusUpload("mine")->corpus->sha256, corpus->sha256);
}

TEST_F(RestartTest, AnUploadOfAClientThatIsGoneGoesOnWithAnother) {
  const std::string text = LongText();
  client::Cancellation cancellation;
  size_t position = 0;
  const client::ByteSource broken = [&](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
    if (position >= 12 << 20) {
      while (client_->GetCorpusUpload("mine")->committed_bytes == 0) sched_yield();
      cancellation.Cancel();
    }
    const size_t count = text.copy(buffer.data(), buffer.size(), position);
    position += count;
    return count;
  };
  const client::UploadCorpusOptions options{.corpus_id = "long", .upload_id = "mine"};
  EXPECT_TRUE(
      absl::IsCancelled(client_->UploadCorpus(options, broken, {}, &cancellation).status()));
  // The server may not have seen yet that the first call is over.
  const auto corpus = NewClient()->UploadCorpus(options, client::TextSource(text));
  ASSERT_TRUE(corpus.ok()) << corpus.status();
  EXPECT_EQ(corpus->sha256, Sha256Hex(text));
}

}  // namespace
}  // namespace derin::server
