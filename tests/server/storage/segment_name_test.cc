#include "server/storage/segment_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SegmentName, HasTenDigits) {
  EXPECT_EQ(SegmentName(7, kSegmentEnding), "0000000007.segment");
  EXPECT_EQ(SegmentName(4294967295, kIndexEnding), "4294967295.index");
}

TEST(ListSegments, FindsThoseWithSuchNamesAndNoOthers) {
  const TemporaryFolder folder;
  for (const char* name : {"0000000012.segment", "0000000002.segment", "0000000002.index",
                           "0000000000.segment", "2.segment", "00000000003.segment",
                           "000000000x.segment", "9999999999.segment", "0000000004.segment.old"}) {
    WriteTestFile(folder.path() / name, "");
  }
  const auto numbers = ListSegments(folder.path());
  ASSERT_TRUE(numbers.ok()) << numbers.status();
  EXPECT_THAT(numbers->segments, ElementsAre(2, 12));
  EXPECT_THAT(numbers->indexes, ElementsAre(2));
}

TEST(ListSegments, AFolderThatIsNotThereHasNone) {
  const TemporaryFolder folder;
  EXPECT_THAT(ListSegments(folder.path() / "none")->segments, IsEmpty());
  WriteTestFile(folder.path() / "file", "");
  EXPECT_FALSE(ListSegments(folder.path() / "file").ok());
}

}  // namespace
}  // namespace derin::server
