#include "server/storage/folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "server/status/error.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;

TEST(Folder, IsMadeForItsOwnerOnly) {
  const TemporaryFolder folder;
  const std::filesystem::path made = folder.path() / "new";
  ASSERT_TRUE(MakeFolder(made).ok());
  EXPECT_EQ(std::filesystem::status(made).permissions(), std::filesystem::perms::owner_all);
}

TEST(Folder, MakingItAgainLeavesItAsItIs) {
  const TemporaryFolder folder;
  ASSERT_TRUE(MakeFolder(folder.path() / "new").ok());
  WriteTestFile(folder.path() / "new" / "file", "x");
  EXPECT_TRUE(MakeFolder(folder.path() / "new").ok());
  EXPECT_EQ(ReadTestFile(folder.path() / "new" / "file"), "x");
}

TEST(Folder, WhereAFileStandsIsRefusedSayingSo) {
  const TemporaryFolder folder;
  WriteTestFile(folder.path() / "file", "x");
  const absl::Status in_its_place = MakeFolder(folder.path() / "file");
  EXPECT_EQ(in_its_place.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(in_its_place.message()), HasSubstr("there is a file of that name"));
  const absl::Status below = MakeFolder(folder.path() / "file" / "new");
  EXPECT_EQ(below.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(below.message()), HasSubstr("Not a directory"));
}

TEST(Folder, ThatIsGoneCannotBeSynced) {
  const TemporaryFolder folder;
  EXPECT_TRUE(SyncFolder(folder.path()).ok());
  EXPECT_THAT(std::string(SyncFolder(folder.path() / "gone").message()),
              HasSubstr("No such file or directory"));
}

TEST(Folder, SystemErrorsMeanWhatCallersCanDoAboutThem) {
  EXPECT_EQ(SystemError(EACCES, "x").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(SystemError(EROFS, "x").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(SystemError(ENOSPC, "x").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(SystemError(ENOSPC, "x")), "DISK_FULL");
  EXPECT_EQ(ErrorReason(SystemError(EFBIG, "x")), "DISK_FULL");
  EXPECT_EQ(SystemError(ENOTDIR, "x").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(SystemError(ENOENT, "open it").message(), "cannot open it: No such file or directory");
}

}  // namespace
}  // namespace derin::server
