// Ten thousand clients that do not read: what they cost the server's process in memory, and that
// another client's text comes all the same.

#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "derin/v1/corpus.grpc.pb.h"
#include "derin/v1/generation.grpc.pb.h"
#include "derin/v1/training.grpc.pb.h"
#include "derind_process.h"
#include "server_test.h"

namespace derin::server {
namespace {

constexpr int kReaders = 10'000;
constexpr int kConnections = 8;
// A text never ends by itself meanwhile.
constexpr int kTokens = 1'000'000;

// What each may cost: an outbox of 4 KiB, which a vector may hold twice, the message under way,
// gRPC's call, the reactor, and the session.
constexpr double kLargestStreamBytes = 32 * 1024;

// Calls that are open and not read.
class Unread {
 public:
  void Open(v1::GenerationService::Stub& stub, const v1::GenerateRequest& request) {
    absl::MutexLock lock(&mutex_);
    calls_.push_back(std::make_unique<Call>(*this));
    ++open_;
    stub.async()->Generate(&calls_.back()->context, &request, calls_.back().get());
    calls_.back()->StartCall();
  }

  // Ends all; how many had ended before.
  int Close() {
    absl::MutexLock lock(&mutex_);
    const int ended = kReaders - open_;
    for (const auto& call : calls_) call->context.TryCancel();
    mutex_.Await(absl::Condition(this, &Unread::AllDone));
    return ended;
  }

 private:
  struct Call : grpc::ClientReadReactor<v1::GenerateResponse> {
    explicit Call(Unread& all) : all(all) {}
    void OnDone(const grpc::Status&) override {
      absl::MutexLock lock(&all.mutex_);
      --all.open_;
    }
    Unread& all;
    grpc::ClientContext context;
  };
  bool AllDone() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return open_ == 0; }

  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Call>> calls_ ABSL_GUARDED_BY(mutex_);
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
};

class SlowReaders : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string port_file = folder_.path() / "port";
    derind_ = std::make_unique<Derind>(std::vector<std::string>{
        "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--data-dir",
        folder_.path() / "data", "--port-file", port_file, "--max-streams", "11000",
        "--max-sessions", "11000", "--device", "cpu"});
    derind_->AwaitOutput("serves on");
    std::ifstream file(port_file);
    std::string kind;
    file >> kind >> address_ >> kind >> metrics_address_;
    ASSERT_NE(metrics_address_, "") << derind_->printed();
    Train();
  }

  std::shared_ptr<grpc::Channel> Connect() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    // What this side takes although nobody reads it: little, so that the server has to keep the
    // rest.
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 1024);
    return grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), arguments);
  }

  void Train() {
    const auto channel = Connect();
    v1::Corpus corpus;
    TestContext upload_context, create_context, watch_context;
    const auto corpora = v1::CorpusService::NewStub(channel);
    const auto writer = corpora->UploadCorpus(&upload_context, &corpus);
    v1::UploadCorpusRequest upload;
    upload.mutable_header()->set_corpus_id("text");
    writer->Write(upload);
    std::string text;
    while (text.size() < 500) text += "the quick brown fox jumps over the lazy dog. ";
    upload.set_chunk(text);
    writer->Write(upload);
    writer->WritesDone();
    ASSERT_TRUE(writer->Finish().ok());

    v1::CreateTrainingJobRequest create;
    create.set_training_job_id("job");
    v1::TrainingSpec& spec = *create.mutable_training_job()->mutable_spec();
    spec.set_corpus("corpora/text");
    spec.set_model("models/m");
    spec.mutable_config()->set_hidden(16);
    spec.mutable_config()->set_layers(1);
    spec.set_batch(2);
    spec.set_steps(10);
    spec.set_epochs(1);
    const auto training = v1::TrainingService::NewStub(channel);
    v1::TrainingJob job;
    ASSERT_TRUE(training->CreateTrainingJob(&create_context, create, &job).ok());
    v1::WatchTrainingJobRequest watch;
    watch.set_name(job.name());
    const auto reader = training->WatchTrainingJob(&watch_context, watch);
    for (v1::WatchTrainingJobResponse message; reader->Read(&message);) {
    }
    ASSERT_TRUE(reader->Finish().ok());
  }

  // The sum of a metric's series.
  double Metric(const std::string& name) const {
    std::istringstream page(HttpGet(metrics_address_, "/metrics"));
    double sum = 0;
    for (std::string line; std::getline(page, line);) {
      if (line.rfind(name, 0) == 0) sum += std::stod(line.substr(line.rfind(' ')));
    }
    return sum;
  }

  // Reads one text to its end; how many tokens it had.
  int ReadText(const std::shared_ptr<grpc::Channel>& channel, int max_tokens) const {
    TestContext context;
    v1::GenerateRequest request;
    request.set_model("models/m");
    request.set_max_tokens(max_tokens);
    const auto stub = v1::GenerationService::NewStub(channel);
    const auto reader = stub->Generate(&context, request);
    int tokens = 0;
    for (v1::GenerateResponse response; reader->Read(&response);) tokens += response.tokens_size();
    const grpc::Status status = reader->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return tokens;
  }

  // Waits until no token was drawn for a second; how many there are.
  double AwaitIdle() const {
    double drawn = Metric("derin_generated_tokens_total");
    for (double before = -1; drawn != before;) {
      before = drawn;
      std::this_thread::sleep_for(std::chrono::seconds(1));
      drawn = Metric("derin_generated_tokens_total");
    }
    return drawn;
  }

  TemporaryFolder folder_;
  std::unique_ptr<Derind> derind_;
  std::string address_, metrics_address_;
};

TEST_F(SlowReaders, CostABoundedAmountOfMemoryAndHoldUpNobody) {
  std::vector<std::unique_ptr<v1::GenerationService::Stub>> stubs;
  for (int i = 0; i < kConnections; ++i) {
    const auto channel = Connect();
    ASSERT_EQ(ReadText(channel, 2'000), 2'000);
    stubs.push_back(v1::GenerationService::NewStub(channel));
  }
  const auto fast = Connect();
  ASSERT_EQ(ReadText(fast, 2'000), 2'000);
  const double before = Metric("process_resident_memory_bytes");

  v1::GenerateRequest request;
  request.set_model("models/m");
  request.set_max_tokens(kTokens);
  Unread unread;
  for (int i = 0; i < kReaders; ++i) unread.Open(*stubs[i % kConnections], request);
  const double drawn = AwaitIdle();
  EXPECT_EQ(Metric("derin_generation_active"), kReaders);
  const double each = (Metric("process_resident_memory_bytes") - before) / kReaders;
  std::cout << kReaders << " streams that nobody reads: " << each / 1024 << " KiB each, after "
            << drawn / kReaders << " tokens each\n";
  EXPECT_LT(each, kLargestStreamBytes);

  EXPECT_EQ(ReadText(fast, 5'000), 5'000);
  EXPECT_EQ(unread.Close(), 0);
}

}  // namespace
}  // namespace derin::server
