#include "tests/client/cli/command_test.h"
#include "tests/temporary_folder.h"

namespace derin::cli {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

class CorpusCommand : public CommandTest {
 protected:
  CorpusCommand() {
    answers().upload_corpus = [this](grpc::ServerContext&,
                                     grpc::ServerReader<v1::UploadCorpusRequest>& reader,
                                     v1::Corpus& corpus) {
      v1::UploadCorpusRequest request;
      while (reader.Read(&request)) {
        if (request.has_header()) header_ = request.header();
        if (request.has_document()) documents_ += request.document().name() + ";";
        text_ += request.chunk();
      }
      corpus.set_name("corpora/" + header_.corpus_id());
      corpus.set_character_count(1234);
      corpus.set_vocabulary_size(28);
      return grpc::Status::OK;
    };
  }

  v1::UploadCorpusHeader header_;
  std::string text_, documents_;
};

TEST_F(CorpusCommand, AddSendsStandardInput) {
  const Result result =
      Run({"corpus", "add", "book", "-", "--normalization", "d2l-letters"}, "some text");
  EXPECT_EQ(result.status, kSuccess) << result.err;
  EXPECT_EQ(text_, "some text");
  EXPECT_EQ(documents_, "");
  EXPECT_EQ(header_.corpus_id(), "book");
  EXPECT_EQ(header_.normalization(), v1::NORMALIZATION_D2L_LETTERS);
  EXPECT_EQ(result.out, "corpora/book: 1,234 characters, 28 in the vocabulary\n");
  EXPECT_EQ(result.err, "");
}

TEST_F(CorpusCommand, AddSendsFilesOneAfterTheOther) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "ab.txt";
  WriteTestFile(path, "ab");
  const Result result = Run({"corpus", "add", "corpora/book", path, path});
  EXPECT_EQ(result.status, kSuccess) << result.err;
  EXPECT_EQ(text_, "abab");
  EXPECT_EQ(documents_, "ab;ab 2;");
  EXPECT_EQ(header_.corpus_id(), "book");
  EXPECT_EQ(header_.normalization(), v1::NORMALIZATION_UNSPECIFIED);
}

TEST_F(CorpusCommand, AddTakesStandardInputAmongFiles) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "file.txt";
  WriteTestFile(path, "file");
  const Result result = Run({"corpus", "add", "book", "-", path}, "input, ");
  EXPECT_EQ(result.status, kSuccess) << result.err;
  EXPECT_EQ(text_, "input, file");
  EXPECT_EQ(documents_, "standard input;file;");
  EXPECT_EQ(Run({"corpus", "add", "book", "-", path, "-"}).status, kBadUsage);
}

TEST_F(CorpusCommand, AddNamesDocumentsAsItIsTold) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "file.txt";
  WriteTestFile(path, "file");
  const std::vector<std::string> add = {"corpus", "add", "book", path, path};
  std::vector<std::string> named = add;
  named.insert(named.end(), {"--document", "One", "--document", "Two"});
  EXPECT_EQ(Run(named).status, kSuccess);
  EXPECT_EQ(documents_, "One;Two;");
  std::vector<std::string> few = add;
  few.insert(few.end(), {"--document", "One"});
  EXPECT_EQ(Run(few).status, kBadUsage);
}

TEST_F(CorpusCommand, AddGoesOnWithAnUploadThatBroke) {
  answers().get_corpus_upload = [](const v1::GetCorpusUploadRequest& request,
                                   v1::CorpusUpload& upload) {
    EXPECT_EQ(request.upload_id(), "mine");
    upload.set_committed_bytes(5);
    return grpc::Status::OK;
  };
  const Result result = Run({"corpus", "add", "book", "-", "--upload-id", "mine"}, "some text");
  EXPECT_EQ(result.status, kSuccess) << result.err;
  EXPECT_EQ(header_.upload_id(), "mine");
  EXPECT_EQ(header_.offset(), 5);
  EXPECT_EQ(text_, "text");
}

TEST_F(CorpusCommand, AddSaysHowAnUploadThatEndedEarlyCanGoOn) {
  std::string id;
  answers().upload_corpus = [&](grpc::ServerContext&,
                                grpc::ServerReader<v1::UploadCorpusRequest>& reader, v1::Corpus&) {
    v1::UploadCorpusRequest request;
    reader.Read(&request);
    id = request.header().upload_id();
    return testing::Refusal{.code = grpc::StatusCode::RESOURCE_EXHAUSTED, .reason = "DISK_FULL"}
        .ToGrpc();
  };
  answers().get_corpus_upload = [&](const auto&, v1::CorpusUpload& upload) {
    if (id.empty()) return grpc::Status(grpc::StatusCode::NOT_FOUND, "not begun");
    upload.set_committed_bytes(2048);
    return grpc::Status::OK;
  };
  const Result result = Run({"corpus", "add", "book", "-"}, "some text");
  EXPECT_EQ(result.status, kRefused);
  EXPECT_THAT(result.err, HasSubstr("note: the first 2.0 KiB can wait there for a day; the same "
                                    "command with --upload-id " +
                                    id + " goes on\n"));
}

TEST_F(CorpusCommand, AddNamesTheArgumentBehindAFieldThatIsRefused) {
  answers().upload_corpus = [](grpc::ServerContext&, auto&, auto&) {
    return testing::Refusal{.code = grpc::StatusCode::INVALID_ARGUMENT,
                            .message = "header.corpus_id: got \"Short\", wanted a-z",
                            .reason = "INVALID_FIELD",
                            .field = "header.corpus_id"}
        .ToGrpc();
  };
  EXPECT_THAT(Run({"corpus", "add", "Short", "-"}, "text").err,
              EndsWith("wanted a-z (argument NAME)\n"));
}

TEST_F(CorpusCommand, AddNamesAFileThatIsMissingWithoutAskingTheServer) {
  server_.Stop();
  const Result result = Run({"corpus", "add", "book", "/nonexistent/file"});
  EXPECT_EQ(result.status, kRefused);
  EXPECT_THAT(result.err, HasSubstr("cannot open /nonexistent/file"));
}

TEST_F(CorpusCommand, ListIsATable) {
  answers().list_corpora = [](const auto&, v1::ListCorporaResponse& response) {
    v1::Corpus& corpus = *response.add_corpora();
    corpus.set_name("corpora/timemachine");
    corpus.set_size_bytes(177540);
    corpus.set_character_count(173428);
    corpus.set_vocabulary_size(28);
    corpus.set_normalization(v1::NORMALIZATION_D2L_LETTERS);
    corpus.mutable_create_time()->set_seconds(0);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"corpus", "list"}).out,
            "NAME              SIZE  CHARACTERS  VOCABULARY  NORMALIZATION  CREATED\n"
            "timemachine  173.4 KiB     173,428          28  d2l-letters    1970-01-01 00:00:00\n");
}

TEST_F(CorpusCommand, ListSaysHowToAddTheFirst) {
  answers().list_corpora = [](const auto&, auto&) { return grpc::Status::OK; };
  const Result result = Run({"corpus", "list"});
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "no corpora yet; add one: derin corpus add NAME FILE\n");
}

TEST_F(CorpusCommand, ShowProposesTheNearestName) {
  answers().get_corpus = [](const v1::GetCorpusRequest& request, auto&) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, request.name() + " does not exist");
  };
  answers().list_corpora = [](const auto&, v1::ListCorporaResponse& response) {
    response.add_corpora()->set_name("corpora/timemachine");
    return grpc::Status::OK;
  };
  const Result result = Run({"corpus", "show", "timemahcine"});
  EXPECT_EQ(result.status, kRefused);
  EXPECT_EQ(result.err, "derin: corpora/timemahcine does not exist, did you mean 'timemachine'?\n");
}

TEST_F(CorpusCommand, ShowPrintsEachFact) {
  answers().get_corpus = [](const v1::GetCorpusRequest& request, v1::Corpus& corpus) {
    corpus.set_name(request.name());
    corpus.set_character_count(200);
    corpus.set_sha256("ab12");
    v1::CharacterCount& most = *corpus.add_most_frequent();
    most.set_character("\n");
    most.set_count(50);
    v1::CorpusDocument& document = *corpus.add_documents();
    document.set_name("alice");
    document.set_size_bytes(1024);
    document.set_character_count(150);
    document.set_vocabulary_size(20);
    return grpc::Status::OK;
  };
  const Result result = Run({"corpus", "show", "corpora/a"});
  EXPECT_THAT(result.out, HasSubstr("name           corpora/a\n"));
  EXPECT_THAT(result.out, HasSubstr("sha256         ab12\n"));
  EXPECT_THAT(result.out, HasSubstr("most frequent  '↵' 25.0 %\n"));
  EXPECT_THAT(result.out, HasSubstr("DOCUMENT     SIZE  CHARACTERS   SHARE  VOCABULARY\n"
                                    "alice     1.0 KiB         150  75.0 %          20\n"));
}

TEST_F(CorpusCommand, DeleteSaysWhatIsGone) {
  answers().delete_corpus = [](const auto&, auto&) { return grpc::Status::OK; };
  EXPECT_EQ(Run({"corpus", "delete", "a"}).out, "deleted corpora/a\n");
  EXPECT_EQ(Run({"corpus", "delete", "a", "--json"}).out, "{\n  \"deleted\": \"corpora/a\"\n}\n");
}

// An upload of which the server has nothing yet has nothing to go on with.
TEST_F(CorpusCommand, AnInterruptIsCalledSo) {
  answers().get_corpus_upload = [](const auto&, v1::CorpusUpload&) { return grpc::Status::OK; };
  interrupt_.Cancel();
  const Result result = Run({"corpus", "add", "book", "-"}, "some text");
  EXPECT_EQ(result.status, kInterrupted);
  EXPECT_EQ(result.err, "derin: interrupted\n");
}

}  // namespace
}  // namespace derin::cli
