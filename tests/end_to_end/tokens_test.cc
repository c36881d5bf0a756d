// Callers with tokens, from the client library to a whole server.

#include <gmock/gmock.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "derin/v1/server.grpc.pb.h"
#include "server/security/method_rule.h"
#include "server/storage/sha256.h"
#include "tests/certificates.h"
#include "tests/end_to_end/client_test_server.h"

namespace derin::server {
namespace {

using client::ErrorReason;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class Tokens : public ClientTest {
 protected:
  void SetUp() override {
    options_.tokens = folder_.path() / "tokens";
    Know("ada", R"("roles":["read","generate"])");
    Know("bob", R"("roles":["read","generate","train"])");
    Know("root", R"("roles":["admin"])");
  }
  // Adds a line for a caller whose token is `secret-NAME`.
  void Know(const std::string& name, const std::string& rest) {
    lines_[name] = R"({"name":")" + name + R"(","token_sha256":")" + Sha256Hex("secret-" + name) +
                   "\"," + rest + "}\n";
    std::string text;
    for (const auto& [known, line] : lines_) text += line;
    WriteTestFile(options_.tokens, text);
  }
  client::ConnectOptions As(const std::string& name) {
    const auto file = folder_.path() / ("token-of-" + name);
    WriteTestFile(file, "secret-" + name + "\n");
    return {.address = server_->address(), .token_file = file};
  }
  std::unique_ptr<client::Client> Connect(const client::ConnectOptions& options) {
    auto connected = client::Client::Connect(options);
    EXPECT_TRUE(connected.ok()) << connected.status();
    return *std::move(connected);
  }
  // A server with a model, that root trained.
  void StartWithModel() {
    StartServer();
    client_ = Connect(As("root"));
    TrainModel();
  }
  static absl::StatusCode Ask(client::Client& client) {
    return client.GetServerInfo().status().code();
  }

  std::map<std::string, std::string> lines_;
};

TEST_F(Tokens, WithoutAKnownTokenNothingIsAnswered) {
  Know("old", R"("roles":["read"],"expires":"2020-01-01T00:00:00Z")");
  StartServer();
  EXPECT_EQ(Ask(*Connect(As("ada"))), absl::StatusCode::kOk);
  EXPECT_EQ(Ask(*Connect({.address = server_->address()})), absl::StatusCode::kUnauthenticated);
  for (const char* name : {"mallory", "old"}) {
    const absl::Status status = Connect(As(name))->GetServerInfo().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated) << name;
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("secret")));
  }
}

TEST_F(Tokens, AMissingRoleIsNamed) {
  StartServer();
  const auto ada = Connect(As("ada"));
  const absl::Status status =
      ada->UploadCorpus({.corpus_id = "sea"}, client::TextSource(Text())).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(status.message()), HasSubstr("role train"));
  EXPECT_TRUE(
      Connect(As("bob"))->UploadCorpus({.corpus_id = "sea"}, client::TextSource(Text())).ok());
}

TEST_F(Tokens, HealthIsOpenAndReflectionIsNot) {
  StartServer();
  EXPECT_EQ(Health(channel_, ""), 1);
  EXPECT_EQ(CallRaw(channel_, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                    "\x3a\x01*")
                .status.error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(CallRaw(channel_, "/derin.v1.Nothing/AtAll", "").status.error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
}

// What is too large for a message is not read when its sender is nobody.
TEST_F(Tokens, IsRefusedBeforeTheMessageIsRead) {
  StartServer();
  EXPECT_EQ(
      CallRaw(channel_, "/derin.v1.GenerationService/ImportSession", std::string(3 << 20, 'x'))
          .status.error_code(),
      grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(Tokens, EveryServiceOfTheServerIsInTheTable) {
  options_.tokens.clear();
  StartServer();
  const RawReply reply = CallRaw(
      channel_, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3a\x01*");
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  // The names are in the message as they are.
  int services = 0;
  std::string ruled;
  for (const MethodRule& rule : MethodRules()) {
    const std::string service(rule.path.substr(1, rule.path.rfind('/') - 1));
    if (service == ruled) continue;
    ruled = service;
    if (reply.message.find(service) != std::string::npos) ++services;
  }
  int served = 0;
  for (size_t at = reply.message.find("\x0a"); at != std::string::npos;
       at = reply.message.find("\x0a", at + 1)) {
    const size_t size = static_cast<unsigned char>(reply.message[at + 1]);
    const std::string name = reply.message.substr(at + 2, size);
    if (name.starts_with("derin.v1.") || name.starts_with("grpc.")) ++served;
  }
  EXPECT_GE(served, 5);
  EXPECT_EQ(served, services);
}

TEST_F(Tokens, CallersDoNotSeeEachOthersSessions) {
  StartWithModel();
  const auto ada = Connect(As("ada")), bob = Connect(As("bob"));
  const auto session = ada->OpenSession("models/sea");
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->owner, "ada");
  const std::string& name = session->name;
  for (const absl::Status& status :
       {bob->GetSession(name).status(), bob->ForkSession(name).status(),
        bob->RewindSession(name, 0).status(), bob->ExportSession(name).status(),
        bob->CloseSession(name), bob->Generate({.session = name, .max_tokens = 1}, {}).status(),
        bob->ScoreText({.session = name}, client::TextSource("a")).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
    EXPECT_EQ(ErrorReason(status), "SESSION_NOT_FOUND");
  }
  EXPECT_TRUE(bob->ListSessions()->empty());
  EXPECT_EQ(ada->ListSessions()->size(), 1u);
}

TEST_F(Tokens, AnAdminSeesAllSessionsAlsoAfterARestart) {
  StartWithModel();
  std::vector<std::string> names;
  for (const char* caller : {"ada", "bob", "ada"}) {
    names.push_back(Connect(As(caller))->OpenSession("models/sea")->name);
  }
  client_.reset();
  Restart();
  client_ = Connect(As("root"));
  const auto listed = client_->ListSessions();
  ASSERT_TRUE(listed.ok()) << listed.status();
  std::vector<std::string> seen;
  for (const client::Session& session : *listed) seen.push_back(session.name);
  EXPECT_THAT(seen, UnorderedElementsAre(names[0], names[1], names[2]));
  EXPECT_EQ(Connect(As("bob"))->GetSession(names[0]).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(client_->GetSession(names[0])->owner, "ada");
  EXPECT_TRUE(client_->Generate({.session = names[0], .max_tokens = 2}, {}).ok());
  EXPECT_TRUE(client_->RewindSession(names[0], 0).ok());
  EXPECT_EQ(client_->ForkSession(names[0])->owner, "ada");
  EXPECT_TRUE(client_->CloseSession(names[1]).ok());
  EXPECT_TRUE(Connect(As("bob"))->ListSessions()->empty());
}

TEST_F(Tokens, ACallersLimitsAreItsOwn) {
  Know("ada", R"("roles":["generate"],"max_streams":0,"max_sessions":1)");
  Know("bob", R"("roles":["read","generate","train"],"max_jobs":1)");
  StartWithModel();
  const auto ada = Connect(As("ada")), bob = Connect(As("bob"));
  const absl::Status stream = ada->Generate({.model = "models/sea", .max_tokens = 1}, {}).status();
  EXPECT_EQ(ErrorReason(stream), "CALLER_STREAMS_FULL") << stream;
  const auto session = ada->OpenSession("models/sea");
  ASSERT_TRUE(session.ok()) << session.status();
  for (const absl::Status& status :
       {ada->OpenSession("models/sea").status(), ada->ForkSession(session->name).status(),
        ada->ImportSession(*ada->ExportSession(session->name)).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(ErrorReason(status), "CALLER_SESSIONS_FULL") << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("max_sessions is 1"));
  }
  EXPECT_TRUE(bob->OpenSession("models/sea").ok());
  EXPECT_TRUE(ada->CloseSession(session->name).ok());
  EXPECT_TRUE(ada->OpenSession("models/sea").ok());

  client::TrainingSpec endless = SmallSpec();
  endless.epochs = 100'000;
  const auto job = bob->CreateTrainingJob(endless);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->owner, "bob");
  const absl::Status second = bob->CreateTrainingJob(endless).status();
  EXPECT_EQ(ErrorReason(second), "CALLER_JOBS_FULL") << second;
  EXPECT_TRUE(client_->CreateTrainingJob(SmallSpec()).ok());
}

TEST_F(Tokens, TokensOfAMinuteAreACallersOwn) {
  Know("ada", R"("roles":["read","generate"],"max_tokens_per_minute":1)");
  StartWithModel();
  const auto ada = Connect(As("ada"));
  const auto first = ada->Generate({.model = "models/sea", .max_tokens = 1}, {});
  ASSERT_TRUE(first.ok()) << first.status();
  for (const absl::Status& status :
       {ada->Generate({.model = "models/sea", .max_tokens = 1}, {}).status(),
        ada->ScoreText({.model = "models/sea"}, client::TextSource("the sea")).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(ErrorReason(status), "CALLER_TOKENS_USED_UP") << status;
    EXPECT_GT(client::ErrorRetryDelay(status), absl::ZeroDuration());
  }
  EXPECT_TRUE(ada->OpenSession("models/sea").ok()) << "it makes no tokens";
  EXPECT_TRUE(client_->Generate({.model = "models/sea", .max_tokens = 45}, {}).ok());
}

TEST_F(Tokens, BytesThatACallerStoresAreBounded) {
  const int64_t room = static_cast<int64_t>(Text().size());
  Know("bob", R"("roles":["read","train"],"max_bytes_stored":)" + std::to_string(room));
  StartWithModel();
  const auto bob = Connect(As("bob"));
  std::string model;
  ASSERT_TRUE(client_
                  ->ExportModel("models/sea",
                                [&model](std::string_view bytes) {
                                  model += bytes;
                                  return absl::OkStatus();
                                })
                  .ok());
  ASSERT_TRUE(bob->UploadCorpus({.corpus_id = "text"}, client::TextSource(Text())).ok());
  for (const absl::Status& status :
       {bob->UploadCorpus({.corpus_id = "more"}, client::TextSource("a")).status(),
        bob->ImportModel({.model = "models/more"}, client::TextSource(model)).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(ErrorReason(status), "CALLER_BYTES_FULL") << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("max_bytes_stored"));
  }
  EXPECT_TRUE(bob->DeleteCorpus("corpora/text").ok());
  EXPECT_TRUE(bob->UploadCorpus({.corpus_id = "more"}, client::TextSource("a")).ok());
  EXPECT_TRUE(client_->UploadCorpus({.corpus_id = "text"}, client::TextSource(Text())).ok());
}

TEST_F(Tokens, WhatCallersUsedIsCountedAndSurvivesARestart) {
  StartWithModel();
  const auto bob = Connect(As("bob"));
  ASSERT_TRUE(bob->UploadCorpus({.corpus_id = "small"}, client::TextSource("abc")).ok());
  ASSERT_TRUE(bob->Generate({.model = "models/sea", .prompt = "the", .max_tokens = 20}, {}).ok());
  ASSERT_TRUE(bob->ScoreText({.model = "models/sea"}, client::TextSource("the sea")).ok());
  const auto own = bob->ListUsage();
  ASSERT_TRUE(own.ok()) << own.status();
  ASSERT_EQ(own->size(), 1u);
  const client::Usage used = own->front();
  EXPECT_EQ(used.caller, "bob");
  EXPECT_EQ(used.generated_tokens, 20);
  EXPECT_EQ(used.prompt_tokens, 3);
  EXPECT_EQ(used.scored_tokens, 7);
  EXPECT_EQ(used.trained_tokens, 0);
  EXPECT_EQ(used.stored_bytes, 3);
  EXPECT_GT(used.call_time, absl::ZeroDuration());

  client_.reset();
  Restart();
  client_ = Connect(As("root"));
  const auto all = client_->ListUsage();
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[0].generated_tokens, 20);
  EXPECT_EQ((*all)[0].stored_bytes, 3);
  EXPECT_EQ((*all)[1].caller, "root");
  EXPECT_GT((*all)[1].trained_tokens, 0);
  EXPECT_GT((*all)[1].training_time, absl::ZeroDuration());
}

TEST_F(Tokens, ANewFileCountsFromThenOnAndABadOneNot) {
  StartServer();
  const auto ada = Connect(As("ada"));
  lines_.erase("ada");
  Know("eve", R"("roles":["read"])");
  EXPECT_EQ(Ask(*ada), absl::StatusCode::kOk);
  EXPECT_EQ(server_->ReloadTokens().value(), 3u);
  EXPECT_EQ(Ask(*ada), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Ask(*Connect(As("eve"))), absl::StatusCode::kOk);
  WriteTestFile(options_.tokens, "{");
  EXPECT_FALSE(server_->ReloadTokens().ok());
  EXPECT_EQ(Ask(*Connect(As("eve"))), absl::StatusCode::kOk);
}

TEST_F(Tokens, GoOverTlsAndUnixSocketsToo) {
  TestAuthority authority(folder_.path(), "authority");
  const CertificateFiles files = authority.Issue("server");
  options_.tls_certificate = files.certificate;
  options_.tls_key = files.key;
  options_.listen = "0.0.0.0:0";
  StartServer();
  client::ConnectOptions options = As("ada");
  options.address.replace(0, options.address.find(':'), "127.0.0.1");
  options.tls_ca = authority.file();
  EXPECT_EQ(Ask(*Connect(options)), absl::StatusCode::kOk);
  options.token_file.clear();
  EXPECT_EQ(Ask(*Connect(options)), absl::StatusCode::kUnauthenticated);

  StopServer();
  options_.tls_certificate.clear();
  options_.tls_key.clear();
  options_.listen = "unix:" + (folder_.path() / "socket").string();
  StartServer();
  EXPECT_EQ(Ask(*Connect(As("ada"))), absl::StatusCode::kOk);
  EXPECT_EQ(Ask(*Connect({.address = server_->address()})), absl::StatusCode::kUnauthenticated);
}

TEST_F(Tokens, DoNotCrossANetworkInTheClear) {
  for (const char* listen : {"0.0.0.0:0", "127.0.0.2:0"}) {
    options_.listen = listen;
    options_.allow_insecure_remote = true;
    const absl::Status status = Server::Start(options_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr("--tls-certificate"));
  }
}

TEST_F(Tokens, ABadFileIsAClearErrorAtTheStart) {
  WriteTestFile(options_.tokens, "{}\n");
  const absl::Status status = Server::Start(options_).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("line 1: name is missing"));
  EXPECT_FALSE(std::filesystem::exists(options_.data_directory));
}

}  // namespace
}  // namespace derin::server
