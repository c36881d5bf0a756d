#include "client/cli/image_file.h"

#include <sstream>

#include "gmock/gmock.h"
#include "tests/temporary_folder.h"

namespace derin::cli {
namespace {

using ::testing::HasSubstr;

TEST(ImageFile, HasTheBytesThatWereWritten) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "a", bytes("\0\xff\n", 3);
  std::istringstream in;
  for (const std::string& content : {bytes, std::string("shorter"), std::string()}) {
    ASSERT_TRUE(WriteFile(path, content).ok());
    EXPECT_EQ(*ReadFile(path, in), content);
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(ImageFile, IsStandardInputWhenThePathIsADash) {
  std::istringstream in(std::string("x\0y", 3));
  EXPECT_EQ(*ReadFile("-", in), std::string("x\0y", 3));
}

TEST(ImageFile, ErrorsHaveTheSystemsWords) {
  const TemporaryFolder folder;
  std::istringstream in;
  const absl::Status missing = ReadFile(folder.path() / "none", in).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("No such file"));
  EXPECT_EQ(ReadFile(folder.path(), in).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(WriteFile(folder.path() / "none/a", "x").message()),
              HasSubstr("No such file"));
  EXPECT_FALSE(WriteFile(folder.path(), "x").ok()) << "a folder is there";
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace derin::cli
