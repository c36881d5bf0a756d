#include "model/checkpoint/durable_file.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/temporary_folder.h"

namespace derin {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DurableFileTest : public ::testing::Test {
 protected:
  std::filesystem::path Path(const std::string& name) const { return folder_.path() / name; }
  std::vector<std::string> Names() const { return NamesIn(folder_.path()); }

  const TemporaryFolder folder_;
};

TEST_F(DurableFileTest, AppearsWholeOnCommit) {
  auto file = DurableFile::Create(Path("model"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->Append("one "), absl::OkStatus());
  EXPECT_EQ(file->Append(""), absl::OkStatus());
  EXPECT_EQ(file->Append(std::string("t\0o", 3)), absl::OkStatus());
  EXPECT_FALSE(std::filesystem::exists(Path("model")));
  EXPECT_EQ(file->Commit(), absl::OkStatus());
  EXPECT_EQ(ReadWholeFile(Path("model")).value(), std::string("one t\0o", 7));
  EXPECT_THAT(Names(), ElementsAre("model"));
}

TEST_F(DurableFileTest, LeavesNothingBehindWithoutCommit) {
  {
    auto file = DurableFile::Create(Path("model"));
    ASSERT_TRUE(file.ok());
    EXPECT_EQ(file->Append("half"), absl::OkStatus());
    EXPECT_THAT(Names(), ElementsAre(::testing::StartsWith("model.partial-")));
  }
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(DurableFileTest, ReplacesAnOlderFileOnlyOnCommit) {
  EXPECT_EQ(WriteDurably(Path("model"), "old"), absl::OkStatus());
  { auto abandoned = DurableFile::Create(Path("model")); }
  EXPECT_EQ(ReadWholeFile(Path("model")).value(), "old");
  EXPECT_EQ(WriteDurably(Path("model"), "new"), absl::OkStatus());
  EXPECT_EQ(ReadWholeFile(Path("model")).value(), "new");
  EXPECT_THAT(Names(), ElementsAre("model"));
}

TEST_F(DurableFileTest, TakesANameThatIsKnownOnlyAtTheEnd) {
  auto file = DurableFile::Create(Path("unnamed"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->Append("text"), absl::OkStatus());
  EXPECT_EQ(file->CommitAs(Path("cafe")), absl::OkStatus());
  EXPECT_THAT(Names(), ElementsAre("cafe"));
}

TEST_F(DurableFileTest, KeepsTwoWritersOfOnePathApart) {
  auto one = DurableFile::Create(Path("model"));
  auto other = DurableFile::Create(Path("model"));
  ASSERT_TRUE(one.ok() && other.ok());
  EXPECT_EQ(one->Append("one"), absl::OkStatus());
  EXPECT_EQ(other->Append("other"), absl::OkStatus());
  EXPECT_EQ(other->Commit(), absl::OkStatus());
  EXPECT_EQ(one->Commit(), absl::OkStatus());
  EXPECT_EQ(ReadWholeFile(Path("model")).value(), "one");
  EXPECT_THAT(Names(), ElementsAre("model"));
}

TEST_F(DurableFileTest, IsOwnedByItsLastHolderWhenMoved) {
  auto file = DurableFile::Create(Path("first"));
  auto replaced = DurableFile::Create(Path("second"));
  ASSERT_TRUE(file.ok() && replaced.ok());
  DurableFile moved = *std::move(file);
  *replaced = std::move(moved);  // the second is given up
  EXPECT_THAT(Names(), ElementsAre(::testing::StartsWith("first.partial-")));
  EXPECT_EQ(replaced->Append("text"), absl::OkStatus());
  EXPECT_EQ(replaced->Commit(), absl::OkStatus());
  EXPECT_THAT(Names(), ElementsAre("first"));
}

TEST_F(DurableFileTest, SaysWhyItCannotBeCreated) {
  ASSERT_EQ(WriteDurably(Path("file"), ""), absl::OkStatus());
  const absl::Status under_file = WriteDurably(Path("file") / "model", "x");
  EXPECT_EQ(under_file.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(under_file.message()), HasSubstr("Not a directory"));
  const absl::Status no_folder = WriteDurably(Path("none") / "model", "x");
  EXPECT_EQ(no_folder.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(no_folder.message()), HasSubstr("No such file or directory"));
  EXPECT_THAT(Names(), ElementsAre("file"));
}

TEST_F(DurableFileTest, LeavesNothingBehindWhenItsPlaceIsTaken) {
  std::filesystem::create_directory(Path("model"));
  const absl::Status status = WriteDurably(Path("model"), "x");
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("Is a directory"));
  EXPECT_THAT(Names(), ElementsAre("model"));
}

// The limit on a file's size stands for a full disk: both come back from the same call.
TEST_F(DurableFileTest, IsResourceExhaustedWhenThereIsNoRoom) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {4096, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status = WriteDurably(Path("model"), std::string(10'000, 'x'));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("model"));
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(DurableFileTest, ReadsAFileOfAnyLength) {
  for (const size_t length : {size_t{0}, size_t{1}, size_t{1} << 20}) {
    const std::string bytes(length, '\xA5');
    ASSERT_EQ(WriteDurably(Path("file"), bytes), absl::OkStatus());
    EXPECT_EQ(ReadWholeFile(Path("file")).value(), bytes);
  }
}

TEST_F(DurableFileTest, SaysWhyAFileCannotBeRead) {
  EXPECT_EQ(ReadWholeFile(Path("none")).status().code(), absl::StatusCode::kNotFound);
  ASSERT_EQ(WriteDurably(Path("file"), ""), absl::OkStatus());
  EXPECT_EQ(ReadWholeFile(Path("file") / "none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReadWholeFile(folder_.path()).status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace derin
