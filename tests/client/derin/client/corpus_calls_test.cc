#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "derin/client/client.h"
#include "tests/client/fake_server.h"

namespace derin::client {
namespace {

using ::derin::testing::FakeServer;
using ::derin::testing::Message;
using ::derin::testing::Refusal;

class CorpusCalls : public ::testing::Test {
 protected:
  CorpusCalls() : client_(*Client::Connect({.address = server_.address()})) {}

  FakeServer server_;
  std::unique_ptr<Client> client_;
};

TEST_F(CorpusCalls, UploadSendsTheHeaderAndThenTheTextInOrder) {
  // More than one chunk, and no multiple of one.
  std::string text;
  while (text.size() < 1'000'000) text += std::to_string(text.size()) + " ";
  v1::UploadCorpusHeader header;
  std::string received;
  server_.answers().upload_corpus = [&](grpc::ServerContext& context,
                                        grpc::ServerReader<v1::UploadCorpusRequest>& reader,
                                        v1::Corpus& reply) {
    v1::UploadCorpusRequest request;
    EXPECT_TRUE(reader.Read(&request));
    header = request.header();
    while (reader.Read(&request)) {
      EXPECT_LE(request.chunk().size(), 1u << 20);
      received += request.chunk();
    }
    reply.set_name("corpora/" + header.corpus_id());
    reply.set_size_bytes(static_cast<int64_t>(received.size()));
    return grpc::Status::OK;
  };
  const auto corpus = client_->UploadCorpus(
      {.corpus_id = "book", .normalization = Normalization::kD2lLetters, .sha256 = "ab"},
      TextSource(text));
  ASSERT_TRUE(corpus.ok()) << corpus.status();
  EXPECT_EQ(corpus->name, "corpora/book");
  EXPECT_EQ(header.normalization(), v1::NORMALIZATION_D2L_LETTERS);
  EXPECT_EQ(header.sha256(), "ab");
  EXPECT_TRUE(received == text);
}

TEST_F(CorpusCalls, UploadReturnsTheErrorOfTheSourceAndCancelsTheCall) {
  server_.answers().upload_corpus = [](grpc::ServerContext& context,
                                       grpc::ServerReader<v1::UploadCorpusRequest>& reader,
                                       v1::Corpus&) {
    v1::UploadCorpusRequest request;
    while (reader.Read(&request)) {
    }
    // An upload that seemed whole would wait here for ever.
    while (!context.IsCancelled()) std::this_thread::yield();
    return grpc::Status::CANCELLED;
  };
  int reads = 0;
  const ByteSource source = [&reads](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
    if (++reads == 2) return absl::DataLossError("the disk is broken");
    return buffer.size();
  };
  const auto corpus = client_->UploadCorpus({.corpus_id = "book"}, source);
  EXPECT_EQ(corpus.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Message(corpus.status()), "the disk is broken");
}

TEST_F(CorpusCalls, UploadEndsWhenTheServerRefuses) {
  server_.answers().upload_corpus = [](grpc::ServerContext& context,
                                       grpc::ServerReader<v1::UploadCorpusRequest>&, v1::Corpus&) {
    return Refusal{.code = grpc::StatusCode::ALREADY_EXISTS,
                   .message = "corpora/book is another text",
                   .reason = "CORPUS_EXISTS"}
        .ToGrpc();
  };
  // Without an end: only the refusal ends the upload.
  const ByteSource endless = [](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
    return buffer.size();
  };
  const auto corpus = client_->UploadCorpus({.corpus_id = "book"}, endless);
  EXPECT_EQ(corpus.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ErrorReason(corpus.status()), "CORPUS_EXISTS");
}

TEST_F(CorpusCalls, UploadCanBeCancelledFromTheSource) {
  server_.answers().upload_corpus = [](grpc::ServerContext& context,
                                       grpc::ServerReader<v1::UploadCorpusRequest>& reader,
                                       v1::Corpus&) {
    v1::UploadCorpusRequest request;
    while (reader.Read(&request)) {
    }
    return grpc::Status::OK;
  };
  Cancellation cancellation;
  const ByteSource source = [&cancellation](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
    cancellation.Cancel();
    return buffer.size();
  };
  const auto corpus = client_->UploadCorpus({.corpus_id = "book"}, source, {}, &cancellation);
  EXPECT_EQ(corpus.status().code(), absl::StatusCode::kCancelled);
}

TEST_F(CorpusCalls, GetCorpusUploadSaysWhatTheServerHas) {
  server_.answers().get_corpus_upload = [](const v1::GetCorpusUploadRequest& request,
                                           v1::CorpusUpload& upload) {
    upload.set_upload_id(request.upload_id());
    upload.set_committed_bytes(5);
    upload.mutable_expire_time()->set_seconds(9);
    upload.mutable_corpus()->set_name("corpora/book");
    return grpc::Status::OK;
  };
  const auto upload = client_->GetCorpusUpload("u");
  ASSERT_TRUE(upload.ok()) << upload.status();
  EXPECT_EQ(upload->upload_id, "u");
  EXPECT_EQ(upload->committed_bytes, 5);
  EXPECT_EQ(upload->expire_time, absl::FromUnixSeconds(9));
  EXPECT_EQ(upload->corpus->name, "corpora/book");
  EXPECT_NE(NewUploadId(), NewUploadId());
}

TEST_F(CorpusCalls, GetListAndDeleteNameTheCorpus) {
  std::string deleted;
  server_.answers().get_corpus = [](const v1::GetCorpusRequest& request, v1::Corpus& corpus) {
    corpus.set_name(request.name());
    corpus.set_character_count(7);
    return grpc::Status::OK;
  };
  server_.answers().list_corpora = [](const v1::ListCorporaRequest& request,
                                      v1::ListCorporaResponse& response) {
    response.add_corpora()->set_name("corpora/page" + request.page_token());
    if (request.page_token().empty()) response.set_next_page_token("2");
    return grpc::Status::OK;
  };
  server_.answers().delete_corpus = [&deleted](const v1::DeleteCorpusRequest& request, auto&) {
    deleted = request.name();
    return grpc::Status::OK;
  };
  EXPECT_EQ(client_->GetCorpus("corpora/a")->name, "corpora/a");
  const auto corpora = client_->ListCorpora();
  ASSERT_TRUE(corpora.ok());
  ASSERT_EQ(corpora->size(), 2);
  EXPECT_EQ((*corpora)[1].name, "corpora/page2");
  EXPECT_TRUE(client_->DeleteCorpus("corpora/a").ok());
  EXPECT_EQ(deleted, "corpora/a");
}

}  // namespace
}  // namespace derin::client
