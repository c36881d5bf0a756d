#include "model/checkpoint/file_metadata.h"

#include <gmock/gmock.h>

#include <limits>

namespace derin {
namespace {

using ::testing::HasSubstr;

TEST(FileMetadata, GivesWhatIsThereAndNamesWhatIsNot) {
  const FileMetadata metadata = {{"a", "1"}};
  EXPECT_EQ(*RequiredMetadata("model file", metadata, "a"), "1");
  const absl::Status missing = RequiredMetadata("model file", metadata, "b").status();
  EXPECT_EQ(missing, absl::DataLossError("damaged model file: it has no b in its metadata"));
}

TEST(FileMetadata, ReadsFormatsFromOneToTheNewest) {
  const auto check = [](const std::string& format) {
    return CheckFileFormat("model file", {{kFormatKey, format}}, 3);
  };
  for (const char* format : {"1", "2", "3"}) EXPECT_TRUE(check(format).ok()) << format;
  EXPECT_EQ(check("4"), absl::UnimplementedError(
                            "the model file has format version 4; this program reads 1 to 3"));
  for (const char* format : {"0", "-1", "", "one", "1.5", "99999999999"}) {
    EXPECT_EQ(check(format).code(), absl::StatusCode::kDataLoss) << format;
    EXPECT_THAT(check(format).message(), HasSubstr("derin.format")) << format;
  }
  EXPECT_EQ(CheckFileFormat("model file", {}, 3).code(), absl::StatusCode::kDataLoss);
}

TEST(FileMetadata, ReadsIntegersOfARange) {
  constexpr int64_t kGreatest = std::numeric_limits<int64_t>::max();
  const nlohmann::json object = nlohmann::json::parse(
      R"({"two":2,"half":0.5,"text":"2","minus":-2,"list":[1,2],"most":9223372036854775807})");
  EXPECT_EQ(*IntegerMember(object, "two", 0, 2), 2);
  EXPECT_EQ(*IntegerMember(object, "two", 2, 9), 2);
  EXPECT_EQ(*IntegerMember(object, "most", 0, kGreatest), kGreatest);
  EXPECT_FALSE(IntegerMember(object, "two", 3, 9).ok());
  EXPECT_FALSE(IntegerMember(object, "most", 0, kGreatest - 1).ok());
  for (const char* name : {"half", "text", "minus", "list", "none"}) {
    const absl::Status status = IntegerMember(object, name, 0, 9).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(status.message(), HasSubstr(std::string(name) + " is "));
    EXPECT_THAT(status.message(), HasSubstr("an integer from 0 to 9"));
  }
}

}  // namespace
}  // namespace derin
