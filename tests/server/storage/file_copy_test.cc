#include "server/storage/file_copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/storage/sha256.h"
#include "tests/server/storage/full_disk.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

class FileCopyTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  const std::filesystem::path from_ = folder_.path() / "from";
  const std::filesystem::path to_ = folder_.path() / "to";
};

TEST_F(FileCopyTest, ALinkSharesItsBytesAndACopyDoesNot) {
  WriteTestFile(from_, "some text");
  const absl::StatusOr<CopiedFile> linked = LinkOrCopy(from_, to_);
  ASSERT_TRUE(linked.ok()) << linked.status();
  EXPECT_TRUE(linked->linked);
  EXPECT_EQ(linked->sha256, Sha256Hex("some text"));
  EXPECT_EQ(linked->size_bytes, 9);
  EXPECT_EQ(std::filesystem::hard_link_count(to_), 2u);
  const absl::StatusOr<CopiedFile> copied = CopyFileTo(from_, folder_.path() / "copy");
  ASSERT_TRUE(copied.ok()) << copied.status();
  EXPECT_FALSE(copied->linked);
  EXPECT_EQ(copied->sha256, linked->sha256);
  EXPECT_EQ(std::filesystem::hard_link_count(folder_.path() / "copy"), 1u);
  EXPECT_EQ(ReadTestFile(folder_.path() / "copy"), "some text");
}

TEST_F(FileCopyTest, WhatCannotBeLinkedIsCopied) {
  // /proc is a file system of its own.
  const absl::StatusOr<CopiedFile> file = LinkOrCopy("/proc/version", to_);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_FALSE(file->linked);
  EXPECT_EQ(ReadTestFile(to_), ReadTestFile("/proc/version"));
  EXPECT_EQ(file->sha256, Sha256Hex(ReadTestFile(to_)));
}

TEST_F(FileCopyTest, FilesOfManyPiecesAreWhole) {
  std::string large;
  while (large.size() < size_t{3} << 20) large += "0123456789 and more ";
  WriteTestFile(from_, large);
  const absl::StatusOr<CopiedFile> file = CopyFileTo(from_, to_);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->sha256, Sha256Hex(large));
  EXPECT_EQ(ReadTestFile(to_), large);
}

TEST_F(FileCopyTest, WhatIsNotThereIsNotFoundAndLeavesNothing) {
  EXPECT_TRUE(absl::IsNotFound(CopyFileTo(from_, to_).status()));
  EXPECT_TRUE(absl::IsNotFound(LinkOrCopy(from_, to_).status()));
  EXPECT_TRUE(absl::IsNotFound(DigestOfFile(from_).status()));
  EXPECT_THAT(NamesIn(folder_.path()), ElementsAre());
}

TEST_F(FileCopyTest, AFullDiskIsSaidAndLeavesNothing) {
  WriteTestFile(from_, std::string(100'000, 'x'));
  const FullDisk disk(50'000);
  EXPECT_EQ(CopyFileTo(from_, to_).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(NamesIn(folder_.path()), UnorderedElementsAre("from"));
}

}  // namespace
}  // namespace derin::server
