#include "tests/client/cli/command_test.h"

namespace derin::cli {
namespace {

class UsageCommand : public CommandTest {
 protected:
  UsageCommand() {
    // Two pages.
    answers().list_usage = [](const v1::ListUsageRequest& request, v1::ListUsageResponse& reply) {
      v1::Usage& usage = *reply.add_usage();
      if (request.page_token().empty()) {
        usage.set_caller("ada");
        usage.set_prompt_tokens(1234);
        usage.set_generated_tokens(5);
        usage.set_scored_tokens(6);
        usage.set_trained_tokens(7);
        usage.mutable_call_time()->set_seconds(92);
        usage.mutable_training_time()->set_nanos(420'000'000);
        usage.set_stored_bytes(2048);
        reply.set_next_page_token("more");
      } else {
        usage.set_caller("bob");
      }
      return grpc::Status::OK;
    };
  }
};

TEST_F(UsageCommand, ListsCallers) {
  const Result result = Run({"usage"});
  EXPECT_EQ(result.status, kSuccess) << result.err;
  EXPECT_EQ(result.out,
            "CALLER  PROMPT  GENERATED  SCORED  TRAINED  CALLS  TRAINING   STORED\n"
            "ada      1,234          5       6        7  1m32s     420ms  2.0 KiB\n"
            "bob          0          0       0        0     0s        0s      0 B\n");
}

TEST_F(UsageCommand, JsonHasEveryField) {
  const Result result = Run({"usage", "--json"});
  const auto json = nlohmann::json::parse(result.out)["usage"];
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0],
            nlohmann::json::parse(R"({"caller":"ada","prompt_tokens":1234,"generated_tokens":5,
                "scored_tokens":6,"trained_tokens":7,"call_seconds":92.0,"training_seconds":0.42,
                "stored_bytes":2048})"));
}

TEST_F(UsageCommand, ARefusalIsSaid) {
  answers().list_usage = nullptr;
  EXPECT_EQ(Run({"usage"}).status, kRefused);
}

}  // namespace
}  // namespace derin::cli
