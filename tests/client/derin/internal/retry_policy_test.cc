#include "derin/internal/retry_policy.h"

#include <gmock/gmock.h>

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "derin/v1/corpus.pb.h"
#include "derin/v1/generation.pb.h"
#include "derin/v1/model.pb.h"
#include "derin/v1/server.pb.h"
#include "derin/v1/training.pb.h"

namespace derin::client::internal {
namespace {

using ::testing::HasSubstr;

TEST(RetryPolicy, NamesEveryMethodThatOnlyReadsAndNoneThatIsNotThere) {
  const std::string policy = kRetryPolicy;
  size_t named = 0;
  for (const google::protobuf::FileDescriptor* file :
       {v1::Corpus::descriptor()->file(), v1::Session::descriptor()->file(),
        v1::Model::descriptor()->file(), v1::ServerInfo::descriptor()->file(),
        v1::TrainingJob::descriptor()->file()}) {
    const google::protobuf::ServiceDescriptor& service = *file->service(0);
    for (int m = 0; m < service.method_count(); ++m) {
      const std::string& method = service.method(m)->name();
      const std::string name = absl::StrCat(R"({"service": ")", service.full_name(),
                                            R"(", "method": ")", method, R"("})");
      if (policy.find(name) != std::string::npos) ++named;
      if (method.starts_with("Get") || method.starts_with("List")) {
        EXPECT_THAT(policy, HasSubstr(name));
      }
      // Twice they would do something else than once.
      if (method.starts_with("Delete") || method.starts_with("Create")) {
        EXPECT_THAT(policy, ::testing::Not(HasSubstr(name)));
      }
    }
  }
  size_t all = 0;
  for (size_t at = policy.find("\"method\""); at != std::string::npos;
       at = policy.find("\"method\"", at + 1)) {
    ++all;
  }
  EXPECT_EQ(named, all);
}

}  // namespace
}  // namespace derin::client::internal
