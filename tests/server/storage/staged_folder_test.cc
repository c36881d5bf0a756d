#include "server/storage/staged_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "server/status/error.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class StagedFolderTest : public ::testing::Test {
 protected:
  StagedFolder Create(const std::filesystem::path& target) {
    absl::StatusOr<StagedFolder> folder = StagedFolder::Create(target);
    EXPECT_TRUE(folder.ok()) << folder.status();
    return *std::move(folder);
  }

  TemporaryFolder folder_;
  const std::filesystem::path target_ = folder_.path() / "target";
};

TEST_F(StagedFolderTest, HasItsNameOnlyOnceItIsCommitted) {
  StagedFolder folder = Create(target_);
  WriteTestFile(folder.path() / "file", "x");
  EXPECT_THAT(NamesIn(folder_.path()), ElementsAre(StartsWith("target.partial-")));
  ASSERT_TRUE(folder.Commit().ok());
  EXPECT_THAT(NamesIn(folder_.path()), ElementsAre("target"));
  EXPECT_EQ(ReadTestFile(target_ / "file"), "x");
  EXPECT_EQ(std::filesystem::status(target_).permissions(), std::filesystem::perms::owner_all);
}

TEST_F(StagedFolderTest, WithoutCommitNothingIsLeft) {
  {
    StagedFolder folder = Create(target_);
    WriteTestFile(folder.path() / "file", "x");
    const StagedFolder moved = std::move(folder);
  }
  EXPECT_THAT(NamesIn(folder_.path()), IsEmpty());
}

TEST_F(StagedFolderTest, TakesThePlaceOfAnEmptyFolderAndMakesParents) {
  std::filesystem::create_directory(target_);
  EXPECT_TRUE(Create(target_).Commit().ok());
  EXPECT_TRUE(Create(folder_.path() / "a" / "b" / "").Commit().ok());
  EXPECT_TRUE(std::filesystem::is_directory(folder_.path() / "a" / "b"));
}

TEST_F(StagedFolderTest, NothingThatIsThereIsTouched) {
  std::filesystem::create_directory(target_);
  WriteTestFile(target_ / "file", "x");
  for (const auto& taken : {target_, target_ / "file"}) {
    const absl::Status status = StagedFolder::Create(taken).status();
    EXPECT_EQ(ErrorReason(status), "NOT_EMPTY") << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(taken.native()));
  }
  EXPECT_THAT(NamesIn(target_), ElementsAre("file"));
}

TEST_F(StagedFolderTest, WhatCameInBetweenStaysAndCommitFails) {
  std::optional<StagedFolder> folder = Create(target_);
  std::filesystem::create_directory(target_);
  WriteTestFile(target_ / "theirs", "x");
  EXPECT_FALSE(folder->Commit().ok());
  folder.reset();
  EXPECT_THAT(NamesIn(target_), ElementsAre("theirs"));
  EXPECT_THAT(NamesIn(folder_.path()), ElementsAre("target"));
}

TEST_F(StagedFolderTest, APlaceThatCannotBeWrittenIsSaid) {
  WriteTestFile(folder_.path() / "file", "x");
  const absl::Status status = StagedFolder::Create(folder_.path() / "file" / "target").status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("Not a directory"));
  EXPECT_FALSE(StagedFolder::Create("").ok());
}

}  // namespace
}  // namespace derin::server
