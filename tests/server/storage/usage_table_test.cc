#include "server/storage/usage_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::IsEmpty;

TEST(UsageTable, GivesBackWhatWasPutInByName) {
  const TemporaryFolder folder;
  const auto database = *Database::Open(folder.path() / "file");
  EXPECT_THAT(*usage_table::List(*database), IsEmpty());
  const UsageFigures figures{.prompt_tokens = 1,
                             .generated_tokens = int64_t{1} << 40,
                             .scored_tokens = 3,
                             .trained_tokens = 4,
                             .call_time = absl::Microseconds(5),
                             .training_time = absl::Hours(6)};
  const std::vector<StoredUsage> both = {{.caller = "bob"}, {.caller = "ada", .figures = figures}};
  ASSERT_TRUE(usage_table::Put(*database, both).ok());
  ASSERT_TRUE(
      usage_table::Put(*database, {{{.caller = "bob", .figures = {.scored_tokens = 9}}}}).ok());
  const auto stored = usage_table::List(*database);
  ASSERT_EQ(stored->size(), 2u);
  EXPECT_EQ((*stored)[0].caller, "ada");
  EXPECT_EQ((*stored)[0].figures, figures);
  EXPECT_EQ((*stored)[1].figures, UsageFigures{.scored_tokens = 9});
}

}  // namespace
}  // namespace derin::server
