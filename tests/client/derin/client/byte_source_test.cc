#include "derin/client/byte_source.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "tests/temporary_folder.h"

namespace derin::client {
namespace {

// All that `source` gives, `size` bytes at a time; the status when it fails.
absl::StatusOr<std::string> ReadAll(const ByteSource& source, size_t size) {
  std::string all;
  std::string buffer(size, '\0');
  while (true) {
    const auto count = source(absl::MakeSpan(&buffer[0], buffer.size()));
    if (!count.ok()) return count.status();
    if (*count == 0) return all;
    all.append(buffer, 0, *count);
  }
}

class FilesSourceTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    WriteTestFile(folder_.path() / name, text);
    return folder_.path() / name;
  }

  const TemporaryFolder folder_;
};

TEST(TextSource, GivesTheTextInPiecesAndThenItsEnd) {
  const ByteSource source = TextSource("hello world");
  EXPECT_EQ(*ReadAll(source, 4), "hello world");
  EXPECT_EQ(*ReadAll(source, 4), "");
}

TEST(StreamSource, GivesWhatIsLeftInTheStream) {
  std::istringstream stream("header\nbody with \xff bytes");
  std::string header;
  std::getline(stream, header);
  EXPECT_EQ(*ReadAll(StreamSource(stream), 7), "body with \xff bytes");
}

TEST(StreamSource, SaysThatABrokenStreamIsNotItsEnd) {
  std::istringstream stream("abc");
  stream.setstate(std::ios::badbit);
  EXPECT_FALSE(ReadAll(StreamSource(stream), 8).ok());
}

TEST(JoinedSource, GivesOneSourceAfterTheOther) {
  std::istringstream stream("two");
  const ByteSource source = JoinedSource(
      {TextSource("one, "), TextSource(""), StreamSource(stream), TextSource(", three")});
  EXPECT_EQ(*ReadAll(source, 4), "one, two, three");
  EXPECT_EQ(*ReadAll(source, 4), "");
  EXPECT_EQ(*ReadAll(JoinedSource({}), 4), "");
}

TEST(JoinedSource, EndsWithTheFirstError) {
  std::istringstream broken("two");
  broken.setstate(std::ios::badbit);
  EXPECT_FALSE(ReadAll(JoinedSource({TextSource("one"), StreamSource(broken)}), 8).ok());
}

TEST_F(FilesSourceTest, JoinsFilesWithNothingBetween) {
  const auto source = FilesSource({Write("a", "one"), Write("empty", ""), Write("b", "two")});
  ASSERT_TRUE(source.ok());
  EXPECT_EQ(*ReadAll(*source, 2), "onetwo");
  EXPECT_EQ(*ReadAll(*source, 2), "");
}

TEST_F(FilesSourceTest, NamesTheFileThatIsMissingBeforeAnythingIsRead) {
  const auto source = FilesSource({Write("a", "one"), "/nonexistent/file"});
  ASSERT_FALSE(source.ok());
  EXPECT_EQ(source.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(source.status().ToString().find("/nonexistent/file"), std::string::npos);
}

TEST_F(FilesSourceTest, NamesAFolderThatCannotBeReadAsAFile) {
  const auto source = FilesSource({folder_.path()});
  ASSERT_TRUE(source.ok());
  const auto text = ReadAll(*source, 8);
  ASSERT_FALSE(text.ok());
  EXPECT_NE(text.status().ToString().find(folder_.path()), std::string::npos);
}

}  // namespace
}  // namespace derin::client
