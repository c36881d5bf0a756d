#include "server/storage/data_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <utility>

#include "server/status/error.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

TEST(DataDirectory, IsMadeWithItsParentsForItsOwnerOnly) {
  const TemporaryFolder folder;
  const auto directory = DataDirectory::Open(folder.path() / "a" / "b" / "");
  ASSERT_TRUE(directory.ok()) << directory.status();
  EXPECT_EQ(directory->path(), folder.path() / "a" / "b");
  EXPECT_EQ(std::filesystem::status(directory->path()).permissions(),
            std::filesystem::perms::owner_all);
  EXPECT_TRUE(std::filesystem::is_directory(directory->blobs()));
  EXPECT_EQ(directory->metadata_file(), folder.path() / "a" / "b" / "metadata.sqlite");
}

TEST(DataDirectory, RefusesASecondServerNamingTheDirectory) {
  const TemporaryFolder folder;
  const auto first = DataDirectory::Open(folder.path());
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = DataDirectory::Open(folder.path());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(second.status()), "DATA_DIRECTORY_IN_USE");
  EXPECT_THAT(std::string(second.status().message()),
              AllOf(HasSubstr(folder.path().native()), HasSubstr("another derind")));
}

TEST(DataDirectory, IsFreeAgainOnceItsServerIsGone) {
  const TemporaryFolder folder;
  std::optional<DataDirectory> moved;
  {
    auto first = DataDirectory::Open(folder.path());
    ASSERT_TRUE(first.ok()) << first.status();
    moved = *std::move(first);
  }
  EXPECT_FALSE(DataDirectory::Open(folder.path()).ok()) << "the lock moves with the object";
  moved.reset();
  EXPECT_TRUE(DataDirectory::Open(folder.path()).ok());
}

TEST(DataDirectory, RemovesWhatWasLeftUnfinishedAndNothingElse) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.path() / "blobs");
  WriteTestFile(folder.path() / "blobs" / "blob.partial-Ab12Cd", "half a bl");
  WriteTestFile(folder.path() / "x.partial-Ab12Cd", "half");
  WriteTestFile(folder.path() / "blobs" / "whole", "a blob");
  const auto directory = DataDirectory::Open(folder.path());
  ASSERT_TRUE(directory.ok()) << directory.status();
  EXPECT_THAT(NamesIn(folder.path()), UnorderedElementsAre("lock", "blobs", "sessions", "uploads"));
  EXPECT_THAT(NamesIn(folder.path() / "blobs"), UnorderedElementsAre("whole"));
}

TEST(DataDirectory, ASecondServerRemovesNothingOfTheFirst) {
  const TemporaryFolder folder;
  const auto first = DataDirectory::Open(folder.path());
  ASSERT_TRUE(first.ok()) << first.status();
  WriteTestFile(folder.path() / "blobs" / "blob.partial-Ab12Cd", "being written");
  EXPECT_FALSE(DataDirectory::Open(folder.path()).ok());
  EXPECT_THAT(NamesIn(folder.path() / "blobs"), UnorderedElementsAre("blob.partial-Ab12Cd"));
}

TEST(DataDirectory, BelowAFileIsRefusedSayingWhy) {
  const TemporaryFolder folder;
  WriteTestFile(folder.path() / "file", "x");
  for (const char* below : {"file", "file/a", "file/a/b"}) {
    const auto directory = DataDirectory::Open(folder.path() / below);
    EXPECT_EQ(directory.status().code(), absl::StatusCode::kFailedPrecondition) << below;
    EXPECT_THAT(std::string(directory.status().message()),
                AllOf(HasSubstr("cannot make"), HasSubstr((folder.path() / below).native())));
  }
  EXPECT_THAT(NamesIn(folder.path()), UnorderedElementsAre("file"));
}

TEST(DataDirectory, NoPathIsRefused) {
  EXPECT_EQ(DataDirectory::Open("").status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace derin::server
