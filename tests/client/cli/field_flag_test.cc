#include "client/cli/field_flag.h"

#include <gtest/gtest.h>

#include "derin/client/error.h"
#include "derin/internal/grpc_status.h"
#include "tests/client/fake_server.h"

namespace derin::cli {
namespace {

constexpr FieldFlag kFlags[] = {
    {"sampling.top_p", "--top-p"}, {"header.corpus_id", "NAME"}, {"stop_strings", "--stop"}};

absl::Status RefusedField(const std::string& field) {
  const testing::Refusal refusal{.code = grpc::StatusCode::INVALID_ARGUMENT,
                                 .message = field + ": got 7, wanted less",
                                 .reason = "INVALID_FIELD",
                                 .field = field};
  return client::internal::FromGrpc(refusal.ToGrpc(), "");
}

TEST(WithFlag, NamesTheFlagOrTheArgumentBehindAField) {
  EXPECT_EQ(testing::Message(WithFlag(RefusedField("sampling.top_p"), kFlags)),
            "sampling.top_p: got 7, wanted less (flag --top-p)");
  const absl::Status named = WithFlag(RefusedField("header.corpus_id"), kFlags);
  EXPECT_EQ(testing::Message(named), "header.corpus_id: got 7, wanted less (argument NAME)");
  EXPECT_EQ(client::ErrorField(named), "header.corpus_id");
}

TEST(WithFlag, NamesTheFlagOfOneElement) {
  EXPECT_EQ(testing::Message(WithFlag(RefusedField("stop_strings[2]"), kFlags)),
            "stop_strings[2]: got 7, wanted less (flag --stop)");
}

TEST(WithFlag, LeavesOtherErrorsAsTheyAre) {
  EXPECT_EQ(testing::Message(WithFlag(RefusedField("prompt"), kFlags)),
            "prompt: got 7, wanted less");
  EXPECT_EQ(testing::Message(WithFlag(absl::NotFoundError("gone"), kFlags)), "gone");
  EXPECT_TRUE(WithFlag(absl::OkStatus(), kFlags).ok());
}

}  // namespace
}  // namespace derin::cli
