#include "server/security/token_processor.h"

#include <gmock/gmock.h>

#include <string>

#include "server/storage/sha256.h"
#include "tests/server/logging/captured_log.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::AnyOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

class TokenProcessorTest : public ::testing::Test {
 protected:
  TokenProcessorTest() {
    WriteTestFile(folder_.path() / "tokens", R"({"name":"ada","token_sha256":")" +
                                                 Sha256Hex("secret") + R"(","roles":["read"]})");
    callers_ = *Callers::Load(folder_.path() / "tokens");
  }
  grpc::Status Process(const std::string& path, const std::string& authorization) {
    TokenProcessor processor(*callers_, metrics_, log_);
    grpc::AuthMetadataProcessor::InputMetadata metadata{
        {":path", path},
        {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}};
    if (!authorization.empty()) metadata.emplace("authorization", authorization);
    grpc::AuthMetadataProcessor::OutputMetadata consumed, response;
    return processor.Process(metadata, nullptr, &consumed, &response);
  }

  TemporaryFolder folder_;
  std::unique_ptr<Callers> callers_;
  ServerMetrics metrics_;
  CallLog log_;
};

TEST_F(TokenProcessorTest, LetsThroughWhatTheCallerMayDo) {
  EXPECT_TRUE(Process("/derin.v1.CorpusService/GetCorpus", "Bearer secret").ok());
  EXPECT_TRUE(Process("/grpc.health.v1.Health/Watch", "").ok());
}

TEST_F(TokenProcessorTest, RefusesTheRestAndCountsIt) {
  const grpc::Status status = Process("/derin.v1.CorpusService/DeleteCorpus", "Bearer secret");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(), HasSubstr("train"));
  EXPECT_EQ(metrics_.grpc_requests.With("CorpusService/DeleteCorpus", "PERMISSION_DENIED").Value(),
            1u);
  EXPECT_EQ(metrics_.grpc_errors.With("PERMISSION_DENIED", "ROLE_MISSING").Value(), 1u);
  EXPECT_EQ(
      Process("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "").error_code(),
      grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Process("/anything", "Bearer secret").error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(TokenProcessorTest, LogsRefusalsWithTheirTraceAndNothingOfAToken) {
  CapturedLog captured(LogFormat::kText, spdlog::level::debug);
  Process("/derin.v1.CorpusService/GetCorpus", "Bearer guess");
  EXPECT_THAT(captured.text(),
              EndsWith(" debug Call ended method=CorpusService/GetCorpus code=UNAUTHENTICATED "
                       "seconds=0 reason=TOKEN_UNKNOWN "
                       "trace_id=4bf92f3577b34da6a3ce929d0e0e4736\n"));
  // What is no method of this server may be anything.
  Process("/\n/x", "Bearer secret");
  EXPECT_THAT(captured.text(), HasSubstr(" method=unknown code=UNIMPLEMENTED "));
  EXPECT_THAT(captured.text(), Not(AnyOf(HasSubstr("guess"), HasSubstr("secret"))));
}

}  // namespace
}  // namespace derin::server
