#include "derin/internal/corpus_sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "derin/client/client.h"
#include "tests/client/fake_server.h"

namespace derin::client {
namespace {

using ::derin::testing::FakeServer;
using ::derin::testing::Refusal;
using ::testing::ElementsAre;

TEST(SentBytes, HoldsWhatIsBehindTheBytesThatTheServerHas) {
  internal::SentBytes sent;
  EXPECT_EQ(sent.From(0), "");
  sent.Add("abc");
  sent.Add("de");
  EXPECT_EQ(sent.From(0), "abc");
  EXPECT_EQ(sent.From(2), "c");
  EXPECT_EQ(sent.From(3), "de");
  EXPECT_EQ(sent.From(5), "");
  sent.DropBefore(4);  // inside a chunk, which stays
  EXPECT_EQ(sent.begin(), 3);
  EXPECT_EQ(sent.From(4), "e");
  sent.DropBefore(5);
  EXPECT_EQ(sent.begin(), 5);
  EXPECT_EQ(sent.end(), 5);
}

// A server that commits some bytes of each call and then breaks it, as often as it is told.
class CorpusSenderTest : public ::testing::Test {
 protected:
  CorpusSenderTest() : client_(*Client::Connect({.address = server_.address()})) {
    while (text_.size() < 30'000'000) text_ += std::to_string(text_.size()) + " ";
    server_.answers().upload_corpus = [this](grpc::ServerContext&,
                                             grpc::ServerReader<v1::UploadCorpusRequest>& reader,
                                             v1::Corpus& corpus) {
      v1::UploadCorpusRequest request;
      reader.Read(&request);
      id_ = request.header().upload_id();
      offsets_.push_back(request.header().offset());
      received_.resize(static_cast<size_t>(request.header().offset()));
      while (reader.Read(&request)) {
        if (request.has_document()) {
          documents_.emplace_back(request.document().name(), received_.size());
          continue;
        }
        received_ += request.chunk();
        // As the server does, in steps; what is behind them is lost with the call.
        committed_ = received_.size() / 1'000'000 * 1'000'000;
        if (breaks_ > 0 && received_.size() >= break_at_) {
          break_at_ += 9'000'000;
          --breaks_;
          return Broken();
        }
      }
      completed_ = true;
      corpus.set_name("corpora/book");
      if (lose_reply_) return Broken();
      return grpc::Status::OK;
    };
    server_.answers().get_corpus_upload = [this](const v1::GetCorpusUploadRequest& request,
                                                 v1::CorpusUpload& upload) {
      if (request.upload_id() != id_) {
        return Refusal{.code = grpc::StatusCode::NOT_FOUND, .reason = "UPLOAD_NOT_FOUND"}.ToGrpc();
      }
      ++asked_;
      upload.set_committed_bytes(static_cast<int64_t>(committed_));
      if (completed_) upload.mutable_corpus()->set_name("corpora/book");
      return grpc::Status::OK;
    };
    callbacks_.reconnecting = [this](const absl::Status&) { ++reconnected_; };
  }
  static grpc::Status Broken() { return {grpc::StatusCode::UNAVAILABLE, "broken"}; }

  std::string text_, received_, id_;
  size_t committed_ = 0, break_at_ = 3'500'000;
  int breaks_ = 0, asked_ = 0, reconnected_ = 0;
  bool completed_ = false, lose_reply_ = false;
  std::vector<int64_t> offsets_;
  std::vector<std::pair<std::string, size_t>> documents_;  // with where each began, as told
  UploadCorpusOptions options_{.corpus_id = "book", .reconnect_wait = absl::Milliseconds(1)};
  UploadCorpusCallbacks callbacks_;
  // Destroyed first: a call that its client has given up may still run, and uses what is above.
  FakeServer server_;
  std::unique_ptr<Client> client_;
};

TEST_F(CorpusSenderTest, GoesOnFromWhatIsCommittedAfterEachBreak) {
  breaks_ = 3;
  std::vector<int64_t> told;
  callbacks_.progress = [&](int64_t bytes) { told.push_back(bytes); };
  const auto corpus = client_->UploadCorpus(options_, TextSource(text_), callbacks_);
  ASSERT_TRUE(corpus.ok()) << corpus.status();
  EXPECT_EQ(corpus->name, "corpora/book");
  EXPECT_TRUE(received_ == text_);
  EXPECT_THAT(offsets_, ElementsAre(0, 3'000'000, 12'000'000, 21'000'000));
  EXPECT_EQ(reconnected_, 3);
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_EQ(told.back(), static_cast<int64_t>(text_.size()));
}

TEST_F(CorpusSenderTest, AsksWhatIsCommittedSoThatItMayForgetIt) {
  ASSERT_TRUE(client_->UploadCorpus(options_, TextSource(text_), callbacks_).ok());
  EXPECT_GE(asked_, 1);
}

TEST_F(CorpusSenderTest, SaysWhereDocumentsBeginAndAgainWhereACallGoesOnThere) {
  breaks_ = 1;
  const std::string first = text_.substr(0, 3'000'000), second = text_.substr(3'000'000, 999);
  break_at_ = first.size();
  const auto corpus = client_->UploadCorpus(
      options_,
      std::vector<DocumentSource>{{"one", TextSource(first)}, {"two", TextSource(second)}},
      callbacks_);
  ASSERT_TRUE(corpus.ok()) << corpus.status();
  EXPECT_TRUE(received_ == first + second);
  EXPECT_THAT(offsets_, ElementsAre(0, 3'000'000));
  EXPECT_EQ(documents_.front(), std::make_pair(std::string("one"), size_t{0}));
  EXPECT_EQ(documents_.back(), std::make_pair(std::string("two"), first.size()));
  const auto empty = client_->UploadCorpus(
      options_, std::vector<DocumentSource>{{"none", TextSource("")}, {"two", TextSource("x")}});
  EXPECT_EQ(empty.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(CorpusSenderTest, AReplyThatIsLostIsAskedFor) {
  lose_reply_ = true;
  const auto corpus = client_->UploadCorpus(options_, TextSource("text"), callbacks_);
  ASSERT_TRUE(corpus.ok()) << corpus.status();
  EXPECT_EQ(corpus->name, "corpora/book");
  EXPECT_THAT(offsets_, ElementsAre(0));
}

TEST_F(CorpusSenderTest, AnEarlierUploadOfTheSameIdGoesOnWithTheSameSource) {
  id_ = options_.upload_id = "mine";
  committed_ = 10'000'001;
  received_ = text_.substr(0, committed_);
  ASSERT_TRUE(client_->UploadCorpus(options_, TextSource(text_), callbacks_).ok());
  EXPECT_THAT(offsets_, ElementsAre(10'000'001));
  EXPECT_TRUE(received_ == text_);
  const auto shorter = client_->UploadCorpus(options_, TextSource("x"), callbacks_);
  EXPECT_TRUE(shorter.ok()) << "it has ended well: " << shorter.status();
  completed_ = false;
  EXPECT_EQ(client_->UploadCorpus(options_, TextSource("x"), callbacks_).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(CorpusSenderTest, GivesUpWhereNothingIsGained) {
  breaks_ = 100;
  break_at_ = 0;
  server_.answers().get_corpus_upload = nullptr;
  EXPECT_EQ(client_->UploadCorpus(options_, TextSource(text_), callbacks_).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(offsets_.size(), 1u) << "a server that knows no such uploads";
  offsets_.clear();
  server_.answers().get_corpus_upload = [](const auto&, v1::CorpusUpload&) {
    return grpc::Status::OK;  // nothing is ever committed
  };
  break_at_ = 0;
  options_.reconnect_tries = 3;
  server_.answers().upload_corpus = [this](auto&, auto&, auto&) {
    offsets_.push_back(0);
    return Broken();
  };
  EXPECT_EQ(client_->UploadCorpus(options_, TextSource(text_), callbacks_).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(offsets_.size(), 4u);
}

}  // namespace
}  // namespace derin::client
