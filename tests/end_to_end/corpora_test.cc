#include <gmock/gmock.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "derin/v1/corpus.grpc.pb.h"
#include "server/storage/sha256.h"
#include "server_test.h"

namespace derin::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Corpora : public ServerTest {
 protected:
  void SetUp() override { StartServer(); }

  std::unique_ptr<v1::CorpusService::Stub> Stub() { return v1::CorpusService::NewStub(channel_); }

  static v1::UploadCorpusRequest Document(const std::string& name) {
    v1::UploadCorpusRequest message;
    message.mutable_document()->set_name(name);
    return message;
  }

  struct Outcome {
    grpc::Status status;
    v1::Corpus corpus;
  };

  Outcome UploadMessages(const std::vector<v1::UploadCorpusRequest>& messages) {
    Outcome outcome;
    TestContext context;
    const auto stub = Stub();
    const auto writer = stub->UploadCorpus(&context, &outcome.corpus);
    for (const v1::UploadCorpusRequest& message : messages) {
      // False once the server has refused; Finish says why.
      if (!writer->Write(message)) break;
    }
    writer->WritesDone();
    outcome.status = writer->Finish();
    return outcome;
  }

  static v1::UploadCorpusRequest Header(const std::string& id) {
    v1::UploadCorpusRequest message;
    message.mutable_header()->set_corpus_id(id);
    return message;
  }
  static v1::UploadCorpusRequest Chunk(std::string_view bytes) {
    v1::UploadCorpusRequest message;
    message.set_chunk(std::string(bytes));
    return message;
  }

  Outcome Upload(const v1::UploadCorpusRequest& header, std::string_view text,
                 size_t piece = 1 << 20) {
    std::vector<v1::UploadCorpusRequest> messages = {header};
    for (size_t i = 0; i < text.size(); i += piece)
      messages.push_back(Chunk(text.substr(i, piece)));
    return UploadMessages(messages);
  }

  Outcome Get(const std::string& name) {
    Outcome outcome;
    TestContext context;
    v1::GetCorpusRequest request;
    request.set_name(name);
    outcome.status = Stub()->GetCorpus(&context, request, &outcome.corpus);
    return outcome;
  }

  grpc::Status Delete(const std::string& name) {
    TestContext context;
    v1::DeleteCorpusRequest request;
    request.set_name(name);
    google::protobuf::Empty empty;
    return Stub()->DeleteCorpus(&context, request, &empty);
  }

  grpc::Status ListPage(int size, const std::string& token, v1::ListCorporaResponse& response) {
    TestContext context;
    v1::ListCorporaRequest request;
    request.set_page_size(size);
    request.set_page_token(token);
    return Stub()->ListCorpora(&context, request, &response);
  }

  std::vector<std::string> Names(int page_size = 0) {
    std::vector<std::string> names;
    std::string token;
    do {
      v1::ListCorporaResponse response;
      const grpc::Status status = ListPage(page_size, token, response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      for (const v1::Corpus& corpus : response.corpora()) names.push_back(corpus.name());
      token = response.next_page_token();
    } while (!token.empty());
    return names;
  }

  int BlobFiles() const {
    int files = 0;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(options_.data_directory / "blobs")) {
      files += entry.is_regular_file();
    }
    return files;
  }
};

TEST_F(Corpora, TheSizeOfTheChunksDoesNotMatter) {
  std::string text;
  while (text.size() < 3 << 20)
    text += "Ağaç, 語 and 🐙: line " + std::to_string(text.size()) + "\n";
  const std::string digest = Sha256Hex(text);
  for (const size_t piece : {size_t{7919}, size_t{65536}, size_t{1} << 20}) {
    v1::UploadCorpusRequest header = Header("odd-" + std::to_string(piece));
    header.mutable_header()->set_sha256(digest);
    const Outcome outcome = Upload(header, text, piece);
    ASSERT_TRUE(outcome.status.ok()) << outcome.status.error_message();
    EXPECT_EQ(outcome.corpus.sha256(), digest);
    EXPECT_EQ(outcome.corpus.size_bytes(), static_cast<int64_t>(text.size()));
    EXPECT_EQ(outcome.corpus.character_count(),
              std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
  }
  EXPECT_EQ(BlobFiles(), 1);
}

TEST_F(Corpora, WhatWasUploadedCanBeGot) {
  v1::UploadCorpusRequest header = Header("alice");
  header.mutable_header()->set_normalization(v1::NORMALIZATION_D2L_LETTERS);
  const Outcome uploaded = Upload(header, "The Time Machine\nby H. G. Wells");
  ASSERT_TRUE(uploaded.status.ok()) << uploaded.status.error_message();
  const Outcome got = Get("corpora/alice");
  ASSERT_TRUE(got.status.ok()) << got.status.error_message();
  EXPECT_EQ(got.corpus.SerializeAsString(), uploaded.corpus.SerializeAsString());
  EXPECT_EQ(got.corpus.normalization(), v1::NORMALIZATION_D2L_LETTERS);
  EXPECT_EQ(got.corpus.sha256(), Sha256Hex("the time machineby h g wells"));
}

TEST_F(Corpora, DocumentsAreInTheCorpusButNotInLists) {
  const Outcome uploaded = UploadMessages(
      {Header("both"), Document("one"), Chunk("12"), Chunk("3"), Document("two"), Chunk("four")});
  ASSERT_TRUE(uploaded.status.ok()) << uploaded.status.error_message();
  const v1::Corpus got = Get("corpora/both").corpus;
  ASSERT_EQ(got.documents_size(), 2);
  EXPECT_EQ(got.documents(0).name(), "one");
  EXPECT_EQ(got.documents(0).character_count(), 3);
  EXPECT_EQ(got.documents(1).size_bytes(), 4);
  EXPECT_EQ(got.sha256(), Sha256Hex("123four"));
  v1::ListCorporaResponse page;
  ASSERT_TRUE(ListPage(0, "", page).ok());
  EXPECT_EQ(page.corpora(0).documents_size(), 0);
  EXPECT_EQ(page.corpora(0).document_count(), 2);
}

TEST_F(Corpora, UploadsAtFaultAreRefusedAndStoreNothing) {
  v1::UploadCorpusRequest wrong_digest = Header("a");
  wrong_digest.mutable_header()->set_sha256(Sha256Hex("something else"));
  v1::UploadCorpusRequest letters = Header("a");
  letters.mutable_header()->set_normalization(v1::NORMALIZATION_D2L_LETTERS);
  const v1::UploadCorpusRequest text = Chunk("text");
  const struct {
    std::vector<v1::UploadCorpusRequest> messages;
    grpc::StatusCode code;
    const char* reason;
    const char* field;
  } cases[] = {
      {{Header("a"), Chunk("good \xff")}, grpc::INVALID_ARGUMENT, "NOT_UTF8", ""},
      {{Header("a"), Chunk("cut \xe8\xaa")}, grpc::INVALID_ARGUMENT, "NOT_UTF8", ""},
      {{Header("a")}, grpc::INVALID_ARGUMENT, "EMPTY_TEXT", ""},
      {{Header("a"), Chunk("")}, grpc::INVALID_ARGUMENT, "EMPTY_TEXT", ""},
      {{letters, Chunk("1895")}, grpc::INVALID_ARGUMENT, "EMPTY_TEXT", ""},
      {{wrong_digest, text}, grpc::DATA_LOSS, "DIGEST_MISMATCH", ""},
      {{Header("A"), text}, grpc::INVALID_ARGUMENT, "INVALID_FIELD", "header.corpus_id"},
      {{}, grpc::INVALID_ARGUMENT, "INVALID_FIELD", "header"},
      {{text}, grpc::INVALID_ARGUMENT, "INVALID_FIELD", "header"},
      {{Document("a")}, grpc::INVALID_ARGUMENT, "INVALID_FIELD", "header"},
      {{Header("a"), text, Document("a")}, grpc::INVALID_ARGUMENT, "INVALID_FIELD", "document"},
      {{Header("a"), text, Header("a")}, grpc::INVALID_ARGUMENT, "INVALID_FIELD", "header"},
      {{Header("a"), v1::UploadCorpusRequest()}, grpc::INVALID_ARGUMENT, "INVALID_FIELD", "part"},
      {{Header("a"), Chunk(std::string((1 << 20) + 1, 'a'))},
       grpc::INVALID_ARGUMENT,
       "INVALID_FIELD",
       "chunk"},
  };
  for (const auto& each : cases) {
    const Outcome outcome = UploadMessages(each.messages);
    EXPECT_EQ(outcome.status.error_code(), each.code) << outcome.status.error_message();
    EXPECT_EQ(ReasonOf(outcome.status), each.reason) << outcome.status.error_message();
    EXPECT_EQ(FieldOf(outcome.status), each.field) << outcome.status.error_message();
  }
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_EQ(BlobFiles(), 0);
}

TEST_F(Corpora, TheFaultsPlaceCountsFromTheTextsStart) {
  std::string text(1000, 'a');
  text.push_back('\x80');
  const Outcome outcome = Upload(Header("a"), text, 300);
  EXPECT_THAT(outcome.status.error_message(), HasSubstr("1000"));
}

TEST_F(Corpora, ATextAboveTheLimitIsRefused) {
  options_.max_corpus_bytes = 1000;
  Restart();
  EXPECT_TRUE(Upload(Header("fits"), std::string(1000, 'a'), 300).status.ok());
  EXPECT_EQ(ReasonOf(Upload(Header("large"), std::string(1001, 'a'), 300).status),
            "CORPUS_TOO_LARGE");
  EXPECT_THAT(Names(), ElementsAre("corpora/fits"));
}

TEST_F(Corpora, MessagesAboveTwoMebibytesAreRefused) {
  const Outcome outcome =
      UploadMessages({Header("a"), Chunk(std::string((2 << 20) + 1, 'a')), Chunk("a")});
  EXPECT_FALSE(outcome.status.ok());
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(Corpora, AnUploadThatIsGivenUpStoresNothing) {
  for (int i = 0; i < 20; ++i) {
    TestContext context;
    v1::Corpus corpus;
    const auto stub = Stub();
    const auto writer = stub->UploadCorpus(&context, &corpus);
    ASSERT_TRUE(writer->Write(Header("given-up")));
    ASSERT_TRUE(writer->Write(Chunk("half of the text")));
    context.TryCancel();
    EXPECT_EQ(writer->Finish().error_code(), grpc::CANCELLED);
  }
  // The server has seen the end of every call when it has stopped.
  Restart();
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_EQ(BlobFiles(), 0);
}

TEST_F(Corpora, TheSameTextAgainIsNoErrorAnotherIs) {
  const Outcome first = Upload(Header("alice"), "one");
  const Outcome again = Upload(Header("alice"), "one");
  ASSERT_TRUE(again.status.ok()) << again.status.error_message();
  EXPECT_EQ(again.corpus.SerializeAsString(), first.corpus.SerializeAsString());
  const Outcome other = Upload(Header("alice"), "two");
  EXPECT_EQ(other.status.error_code(), grpc::ALREADY_EXISTS);
  EXPECT_EQ(ReasonOf(other.status), "CORPUS_EXISTS");
  EXPECT_EQ(Get("corpora/alice").corpus.sha256(), Sha256Hex("one"));
}

TEST_F(Corpora, PagesListEveryCorpusOnceByItsId) {
  for (const char* id : {"d", "b", "e", "a", "c"}) Upload(Header(id), id);
  const std::vector<std::string> sorted = {"corpora/a", "corpora/b", "corpora/c", "corpora/d",
                                           "corpora/e"};
  for (const int size : {0, 1, 2, 5, 6, 1000}) EXPECT_EQ(Names(size), sorted) << size;
}

TEST_F(Corpora, PagesThatCannotBeAreRefusedByField) {
  v1::ListCorporaResponse response;
  EXPECT_EQ(FieldOf(ListPage(-1, "", response)), "page_size");
  EXPECT_EQ(FieldOf(ListPage(1001, "", response)), "page_size");
  EXPECT_EQ(FieldOf(ListPage(0, "alice", response)), "page_token");
}

TEST_F(Corpora, AMissingCorpusIsNotFound) {
  for (const grpc::Status& status : {Get("corpora/nobody").status, Delete("corpora/nobody")}) {
    EXPECT_EQ(status.error_code(), grpc::NOT_FOUND);
    EXPECT_EQ(ReasonOf(status), "CORPUS_NOT_FOUND");
  }
}

TEST_F(Corpora, NamesThatCannotBeAreRefusedByField) {
  for (const char* name : {"", "alice", "corpora/", "corpora/Alice", "models/alice"}) {
    EXPECT_EQ(FieldOf(Get(name).status), "name") << name;
    EXPECT_EQ(FieldOf(Delete(name)), "name") << name;
  }
}

TEST_F(Corpora, DeletingTheLastCorpusOfATextDeletesTheText) {
  Upload(Header("one"), "shared");
  Upload(Header("two"), "shared");
  EXPECT_EQ(BlobFiles(), 1);
  EXPECT_TRUE(Delete("corpora/one").ok());
  EXPECT_THAT(Names(), ElementsAre("corpora/two"));
  EXPECT_EQ(BlobFiles(), 1);
  EXPECT_TRUE(Delete("corpora/two").ok());
  EXPECT_EQ(BlobFiles(), 0);
  EXPECT_TRUE(Upload(Header("one"), "another").status.ok());
}

TEST_F(Corpora, ARestartedServerListsTheSame) {
  const Outcome uploaded = Upload(Header("alice"), "text");
  Upload(Header("bob"), "text");
  Restart();
  EXPECT_THAT(Names(), ElementsAre("corpora/alice", "corpora/bob"));
  EXPECT_EQ(Get("corpora/alice").corpus.SerializeAsString(), uploaded.corpus.SerializeAsString());
}

}  // namespace
}  // namespace derin::server
