#include <gmock/gmock.h>
#include <sched.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "derin/v1/corpus.grpc.pb.h"
#include "derin/v1/generation.grpc.pb.h"
#include "derin/v1/model.grpc.pb.h"
#include "derin/v1/training.grpc.pb.h"
#include "derind_training.h"
#include "server_test.h"

namespace derin::server {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

// On a machine with a GPU these are not what it says.
bool HasDriver() { return std::filesystem::exists("/dev/nvidiactl"); }

TEST_F(DerindTest, WithoutADriverSaysSoOnceAndRunsOnTheProcessor) {
  if (HasDriver()) GTEST_SKIP() << "there is an NVIDIA driver here";
  Derind derind(Arguments({"--device", "auto"}));
  const std::string printed = derind.AwaitOutput("keeps its data");
  EXPECT_THAT(printed,
              ContainsRegex("info no NVIDIA driver \\(libcuda.so.1\\): running on the cpu\n"));
  EXPECT_THAT(printed, HasSubstr("computes on cpu ("));
}

TEST_F(DerindTest, AGpuThatIsAskedForAndNotThereIsAnErrorWithTheReason) {
  if (HasDriver()) GTEST_SKIP() << "there is an NVIDIA driver here";
  for (const std::string device : {"cuda", "cuda:1"}) {
    Derind derind(Arguments({"--device", device}));
    EXPECT_EQ(derind.ExitStatus(), 1);
    EXPECT_THAT(derind.printed(), HasSubstr("Cannot start: --device " + device +
                                            ": no NVIDIA driver (libcuda.so.1)\n"));
  }
}

TEST_F(DerindTest, ReadsItsTokensAgainOnSighup) {
  const auto line = [](const std::string& name, char digit) {
    return R"({"name":")" + name + R"(","roles":["read"],"token_sha256":")" +
           std::string(64, digit) + "\"}\n";
  };
  WriteTestFile(Path("tokens"), line("ada", 'a'));
  Derind derind(Arguments({"--tokens", Path("tokens")}));
  derind.AwaitOutput("serves on");
  WriteTestFile(Path("tokens"), "{}\n");
  derind.Kill(SIGHUP);
  EXPECT_THAT(derind.AwaitOutput("name is missing"), HasSubstr("the tokens stay as they were"));
  WriteTestFile(Path("tokens"), line("ada", 'a') + line("bob", 'b'));
  derind.Kill(SIGHUP);
  EXPECT_THAT(derind.AwaitOutput("known now"), HasSubstr("2 tokens are known now"));
  derind.Kill(SIGTERM);
  EXPECT_EQ(derind.ExitStatus(), 0);
}

TEST_F(DerindTest, GoesOnAfterSighupWithoutTokens) {
  Derind derind(Arguments());
  derind.AwaitOutput("serves on");
  derind.Kill(SIGHUP);
  EXPECT_THAT(derind.AwaitOutput("SIGHUP"), HasSubstr("Got SIGHUP"));
  derind.Kill(SIGTERM);
  EXPECT_EQ(derind.ExitStatus(), 0);
}

TEST_F(DerindTest, SaysItsVersion) {
  Derind derind({"--version"});
  EXPECT_EQ(derind.ExitStatus(), 0);
  EXPECT_EQ(derind.printed(), "derind " + Version() + "\n");
}

TEST_F(DerindTest, HelpNamesEveryOption) {
  Derind derind({"--help"});
  EXPECT_EQ(derind.ExitStatus(), 0);
  for (const char* option :
       {"--listen", "--metrics-listen", "--data-dir", "--device", "--config", "--grace"}) {
    EXPECT_THAT(derind.printed(), HasSubstr(option));
  }
}

TEST_F(DerindTest, ChecksItsConfigurationWhileAnotherRunsWithIt) {
  Derind running(Arguments());
  running.AwaitOutput("serves on");
  Derind good(Arguments({"--check-config"}));
  EXPECT_EQ(good.ExitStatus(), 0);
  EXPECT_THAT(good.printed(), HasSubstr("data     " + Path("data") + "\n"));
  EXPECT_TRUE(std::filesystem::exists(Path("port")));
  Derind wrong(Arguments({"--check-config", "--listen", "0.0.0.0:0", "--device", "abacus"}));
  EXPECT_EQ(wrong.ExitStatus(), 1);
  EXPECT_THAT(wrong.printed(), HasSubstr("derind: --listen: refusing to listen on 0.0.0.0:0"));
  EXPECT_THAT(wrong.printed(), HasSubstr("derind: --device abacus: got device 'abacus'"));
  Derind unknown(Arguments({"--check-config", "--max-strems", "1"}));
  EXPECT_EQ(unknown.ExitStatus(), 2);
}

TEST_F(DerindTest, BadUsageIsStatusTwo) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"--bogus"}, {"--max-streams", "0"}, {"--grace", "soon"}, {"--config", Path("none")}}) {
    Derind derind(Arguments(arguments));
    EXPECT_EQ(derind.ExitStatus(), 2) << derind.printed();
    EXPECT_NE(derind.printed(), "");
  }
  Derind homeless({"--listen", "127.0.0.1:0"}, {});
  EXPECT_EQ(homeless.ExitStatus(), 2);
  EXPECT_THAT(homeless.printed(), HasSubstr("--data-dir"));
}

TEST_F(DerindTest, ServesUntilItIsTerminated) {
  for (const int signal : {SIGTERM, SIGINT}) {
    Derind derind(Arguments());
    derind.AwaitOutput("serves on");
    EXPECT_THAT(Read("port"), ContainsRegex("^grpc 127\\.0\\.0\\.1:[0-9]+\n$"));
    EXPECT_EQ(Health(NewChannel(), ""), 1);
    derind.Kill(signal);
    EXPECT_EQ(derind.ExitStatus(), 0) << derind.printed();
    EXPECT_FALSE(std::filesystem::exists(Path("port")));
  }
}

TEST_F(DerindTest, SaysWhatItServesAndWhere) {
  Derind derind(Arguments({"--device", "reference"}));
  const std::string& line = derind.AwaitOutput("serves on");
  for (const std::string& part :
       {"derind " + Version(), std::string("127.0.0.1:"), std::string("reference ("),
        std::string("), 1 thread, engine reference/f32/"), Path("data")}) {
    EXPECT_THAT(line, HasSubstr(part));
  }
}

TEST_F(DerindTest, CannotStartWhereAnotherDoes) {
  Derind first(Arguments());
  first.AwaitOutput("serves on");
  Derind second(Arguments());
  EXPECT_EQ(second.ExitStatus(), 1);
  EXPECT_THAT(second.printed(), HasSubstr("in use"));
  EXPECT_EQ(Health(NewChannel(), ""), 1);
}

TEST_F(DerindTest, ReadsAConfigurationFileThatFlagsOverrule) {
  std::ofstream(Path("derind.toml")) << "max-streams = 7\nmax-sessions = 8\ngrace = \"3s\"\n"
                                        "data-dir = \""
                                     << Path("from-file")
                                     << "\"\n"
                                        "listen = \"127.0.0.1:0\"\nmetrics-listen = \"\"\n"
                                        "max-corpus-bytes = \"64MiB\"\n";
  Derind derind({"--config", Path("derind.toml"), "--max-sessions", "9"});
  EXPECT_THAT(derind.AwaitOutput("serves on"), HasSubstr(Path("from-file")));
  derind.Kill(SIGTERM);
  EXPECT_EQ(derind.ExitStatus(), 0);
  EXPECT_THAT(derind.printed(), HasSubstr("within 3s"));
}

TEST_F(DerindTest, ReadsTheConfigurationFileAgainOnSighup) {
  const auto configure = [this](const std::string& text) {
    WriteTestFile(Path("derind.toml"), text);
  };
  configure("log-level = \"warning\"\n");
  Derind derind(Arguments({"--config", Path("derind.toml"), "--port-file", Path("port")}));
  while (!std::filesystem::exists(Path("port"))) sched_yield();
  configure("log-level = \"info\"\ngrace = \"2s\"\n");
  derind.Kill(SIGHUP);
  EXPECT_THAT(derind.AwaitOutput("SIGHUP"), Not(HasSubstr("serves on")));
  EXPECT_THAT(derind.AwaitOutput("2s\n"), HasSubstr("the log level is info now, the grace 2s"));
  configure("log-levle = \"off\"\n");
  derind.Kill(SIGHUP);
  EXPECT_THAT(derind.AwaitOutput("as they were"), HasSubstr("did you mean 'log-level'?"));
  derind.Kill(SIGTERM);
  EXPECT_EQ(derind.ExitStatus(), 0);
  EXPECT_THAT(derind.printed(), HasSubstr("stopping within 2s"));
}

TEST_F(DerindTest, AMisspeltNameInTheConfigurationFileIsBadUsage) {
  std::ofstream(Path("derind.toml")) << "max-strems = 7\n";
  Derind derind(Arguments({"--config", Path("derind.toml")}));
  EXPECT_EQ(derind.ExitStatus(), 2);
  EXPECT_THAT(derind.printed(), HasSubstr("max-strems"));
}

TEST_F(DerindTest, KeepsWhatItStoredWhenItIsKilled) {
  v1::Corpus stored;
  {
    Derind derind(Arguments());
    derind.AwaitOutput("serves on");
    const auto stub = v1::CorpusService::NewStub(NewChannel());
    TestContext context;
    const auto writer = stub->UploadCorpus(&context, &stored);
    v1::UploadCorpusRequest message;
    message.mutable_header()->set_corpus_id("alice");
    writer->Write(message);
    message.set_chunk("text");
    writer->Write(message);
    writer->WritesDone();
    ASSERT_TRUE(writer->Finish().ok());
    derind.Kill(SIGKILL);
    EXPECT_EQ(derind.ExitStatus(), -1);
  }
  Derind derind(Arguments());
  derind.AwaitOutput("serves on");
  TestContext context;
  v1::GetCorpusRequest request;
  request.set_name("corpora/alice");
  v1::Corpus corpus;
  ASSERT_TRUE(v1::CorpusService::NewStub(NewChannel())->GetCorpus(&context, request, &corpus).ok());
  EXPECT_EQ(corpus.SerializeAsString(), stored.SerializeAsString());
}

// Trains over gRPC; the work of the steps does not matter, only that they are many.
class KilledGenerationTest : public DerindTrainingTest {
 protected:
  // The text of a call, until its end or until it has `enough` bytes; where it was then.
  struct Said {
    std::string text;
    int64_t start = 0, position = 0;
  };
  Said Say(const std::shared_ptr<grpc::Channel>& channel, const v1::GenerateRequest& request,
           size_t enough = std::string::npos) {
    grpc::ClientContext context;
    const auto reader = v1::GenerationService::NewStub(channel)->Generate(&context, request);
    Said said;
    v1::GenerateResponse response;
    while (said.text.size() < enough && reader->Read(&response)) {
      if (response.has_start()) said.start = response.start().position();
      said.text += response.text();
      if (response.position() > 0) said.position = response.position();
    }
    if (enough != std::string::npos) return said;
    const grpc::Status status = reader->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return said;
  }
  std::string Open(const std::shared_ptr<grpc::Channel>& channel) {
    v1::OpenSessionRequest request;
    request.set_model("models/small");
    request.set_seed(3);
    TestContext context;
    v1::Session session;
    EXPECT_TRUE(
        v1::GenerationService::NewStub(channel)->OpenSession(&context, request, &session).ok());
    return session.name();
  }
};

TEST_F(KilledGenerationTest, ATextThatWasUnderWayGoesOnWithNothingLostOrDoubled) {
  v1::GenerateRequest first, second;
  first.set_prompt("abc");
  first.set_max_tokens(50);
  second.set_max_tokens(400);
  second.set_request_id("the second call");
  std::string wanted, text;
  v1::GenerateRequest again = second;
  {
    Derind derind(Arguments());
    derind.AwaitOutput("serves on");
    const auto channel = NewChannel();
    Upload(channel);
    Create(channel, "small", SpecOf(3));
    Watch(channel, "small", [](const auto&) { return false; });
    const std::string whole = Open(channel), killed = Open(channel);
    for (v1::GenerateRequest* request : {&first, &second}) {
      request->set_session(whole);
      wanted += Say(channel, *request).text;
      request->set_session(killed);
    }
    text += Say(channel, first).text;
    v1::GenerateRequest endless = second;
    endless.set_per_token(true);
    endless.set_max_tokens(1'000'000);
    again = endless;
    const Said part = Say(channel, endless, /*enough=*/20);
    text += part.text;
    again.set_expected_position(part.start);
    again.set_resume_after_position(part.position);
    derind.Kill(SIGKILL);
    EXPECT_EQ(derind.ExitStatus(), -1);
  }
  Derind derind(Arguments());
  derind.AwaitOutput("serves on");
  text += Say(NewChannel(), again, /*enough=*/300).text;
  EXPECT_EQ(text.substr(0, wanted.size()), wanted.substr(0, text.size()));
  EXPECT_GT(text.size(), 300u);
}

}  // namespace
}  // namespace derin::server
