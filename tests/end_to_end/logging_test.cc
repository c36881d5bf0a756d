// What the program logs of its calls.

#include <gmock/gmock.h>
#include <signal.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "derin/v1/generation.grpc.pb.h"
#include "derind_process.h"
#include "server_test.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kTraceId[] = "4bf92f3577b34da6a3ce929d0e0e4736";

class Logging : public ::testing::Test {
 protected:
  // Until it serves.
  Derind Start(std::vector<std::string> more) {
    std::vector<std::string> arguments = {"--listen",         "127.0.0.1:0",
                                          "--metrics-listen", "",
                                          "--data-dir",       folder_.path() / "data",
                                          "--port-file",      folder_.path() / "port",
                                          "--device",         "reference"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Derind(arguments);
  }
  // A call of a trace that is refused; its name and prompt are nobody's business.
  grpc::Status Generate(const std::string& traceparent) {
    std::string kind, address;
    std::ifstream(folder_.path() / "port") >> kind >> address;
    const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
    TestContext context;
    context.AddMetadata("traceparent", traceparent);
    context.AddMetadata("authorization", "Bearer my-secret");
    v1::GenerateRequest request;
    request.set_model("models/unheard-of");
    request.set_prompt("private words");
    v1::GenerateResponse response;
    const auto reader = v1::GenerationService::NewStub(channel)->Generate(&context, request);
    while (reader->Read(&response)) {
    }
    return reader->Finish();
  }

  TemporaryFolder folder_;
};

TEST_F(Logging, EachLineIsAnObjectAndEachCallHasOne) {
  Derind derind = Start({"--log-format", "json", "--log-level", "debug"});
  derind.AwaitOutput("serves on");
  EXPECT_EQ(Generate("00-" + std::string(kTraceId) + "-00f067aa0ba902b7-01").error_code(),
            grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Generate("00-" + std::string(kTraceId) + "-0000000000000000-01").error_code(),
            grpc::StatusCode::NOT_FOUND);
  derind.Kill(SIGTERM);
  EXPECT_EQ(derind.ExitStatus(), 0);
  EXPECT_THAT(derind.printed(), Not(HasSubstr("private words")));
  EXPECT_THAT(derind.printed(), Not(HasSubstr("my-secret")));
  std::vector<nlohmann::json> calls;
  std::istringstream lines(derind.printed());
  for (std::string line; std::getline(lines, line);) {
    ASSERT_TRUE(nlohmann::json::accept(line)) << line;
    nlohmann::json object = nlohmann::json::parse(line);
    for (const char* key : {"time", "level", "message"}) EXPECT_TRUE(object.contains(key)) << line;
    if (object.contains("method")) calls.push_back(std::move(object));
  }
  ASSERT_EQ(calls.size(), 2u) << derind.printed();
  for (const nlohmann::json& call : calls) {
    EXPECT_EQ(call["level"], "debug");
    EXPECT_EQ(call["method"], "GenerationService/Generate");
    EXPECT_EQ(call["caller"], "local");
    EXPECT_EQ(call["code"], "NOT_FOUND");
    EXPECT_GE(call["seconds"].get<double>(), 0);
  }
  EXPECT_EQ(calls[0]["trace_id"], kTraceId);
  EXPECT_FALSE(calls[1].contains("trace_id"));
}

TEST_F(Logging, CallsAreNotLoggedUnlessAskedFor) {
  Derind derind = Start({});
  derind.AwaitOutput("serves on");
  Generate("");
  derind.Kill(SIGTERM);
  EXPECT_EQ(derind.ExitStatus(), 0);
  EXPECT_THAT(derind.printed(), Not(HasSubstr("Call ended")));
}

}  // namespace
}  // namespace derin::server
