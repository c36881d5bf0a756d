#include "server/storage/resource_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/status/error.h"

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(ResourceName, AnIdIsALetterAndThenLettersDigitsAndDashes) {
  for (const char* id : {"a", "time-machine", "a-", "z9"}) {
    EXPECT_TRUE(CheckId(id, "corpus_id").ok()) << id;
  }
  EXPECT_TRUE(CheckId(std::string(63, 'a'), "corpus_id").ok());
  for (const char* id : {"", "9a", "-a", "A", "aB", "a_b", "a b", "a/b", "\xC3\xA4", "a\n"}) {
    const absl::Status status = CheckId(id, "corpus_id");
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << id;
    EXPECT_EQ(ErrorField(status), "corpus_id");
  }
  EXPECT_FALSE(CheckId(std::string(64, 'a'), "corpus_id").ok());
}

TEST(ResourceName, ParsingGivesBackTheIdOfANameMadeBefore) {
  for (const std::string_view collection : {kCorpora, kModels, kTrainingJobs, kSessions}) {
    const std::string name = ResourceName(collection, "x-1");
    EXPECT_EQ(*ParseResourceName(collection, name, "name"), "x-1");
    EXPECT_EQ(IdOf(name), "x-1");
  }
  EXPECT_EQ(ResourceName(kTrainingJobs, "x"), "trainingJobs/x");
}

TEST(ResourceName, AnErrorNamesTheFieldWhatWasGotAndWhatWasWanted) {
  for (const char* name : {"", "x", "models/x", "corpora/", "corpora/X", "corpora/x/y",
                           "/corpora/x", "corpora//x", " corpora/x"}) {
    const absl::StatusOr<std::string> id = ParseResourceName(kCorpora, name, "name");
    ASSERT_FALSE(id.ok()) << name;
    EXPECT_EQ(id.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ErrorField(id.status()), "name");
    EXPECT_THAT(std::string(id.status().message()),
                AllOf(HasSubstr(Quoted(name)), HasSubstr("corpora/ID")));
  }
}

TEST(ResourceName, AModelReferenceIsAModelAVersionOrAnAlias) {
  const auto latest = ParseModelReference("models/a", "model");
  ASSERT_TRUE(latest.ok()) << latest.status();
  EXPECT_EQ(latest->model_id, "a");
  EXPECT_EQ(latest->version, 0);

  const auto version = ParseModelReference(ModelVersionName("a-b", 12), "model");
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(version->model_id, "a-b");
  EXPECT_EQ(version->version, 12);
  EXPECT_EQ(ModelVersionName("a-b", 12), "models/a-b/versions/12");

  const auto alias = ParseModelReference(ModelAliasName("a-b", "stable"), "model");
  ASSERT_TRUE(alias.ok()) << alias.status();
  EXPECT_EQ(alias->model_id, "a-b");
  EXPECT_EQ(alias->version, 0);
  EXPECT_EQ(alias->alias, "stable");
  EXPECT_EQ(ModelAliasName("a-b", "stable"), "models/a-b/aliases/stable");
}

TEST(ResourceName, AVersionAndAnAliasCanBeAskedForAlone) {
  EXPECT_EQ(ParseModelVersionName("models/a/versions/3", "name")->version, 3);
  EXPECT_EQ(ParseModelAliasName("models/a/aliases/stable", "name")->alias, "stable");
  for (const char* name : {"models/a", "models/a/aliases/stable", "models/a/versions/0"}) {
    EXPECT_EQ(ErrorField(ParseModelVersionName(name, "name").status()), "name") << name;
  }
  for (const char* name : {"models/a", "models/a/versions/3", "models/a/aliases/Stable"}) {
    EXPECT_EQ(ErrorField(ParseModelAliasName(name, "name").status()), "name") << name;
  }
}

TEST(ResourceName, AnythingElseIsNoModelReference) {
  for (const char* name : {"",
                           "a",
                           "models/",
                           "corpora/a",
                           "models/a/",
                           "models/a/versions",
                           "models/a/versions/",
                           "models/a/versions/0",
                           "models/a/versions/01",
                           "models/a/versions/-1",
                           "models/a/versions/+1",
                           "models/a/versions/1x",
                           "models/a/versions/1/versions/2",
                           "models/a/versions/99999999999999999999",
                           "models//versions/1",
                           "models/a/b/versions/1",
                           "models/a/aliases",
                           "models/a/aliases/",
                           "models/a/aliases/3",
                           "models/a/aliases/b/c",
                           "models/a/aliases/b/versions/1",
                           "models/A/aliases/b"}) {
    const auto reference = ParseModelReference(name, "model");
    ASSERT_FALSE(reference.ok()) << name;
    EXPECT_EQ(ErrorField(reference.status()), "model");
    EXPECT_THAT(std::string(reference.status().message()), HasSubstr(Quoted(name)));
  }
}

TEST(ResourceName, ACheckpointIsNamedByItsJobAndStep) {
  EXPECT_EQ(CheckpointName("a-1", 120), "trainingJobs/a-1/checkpoints/120");
  const auto parsed = ParseCheckpointName("trainingJobs/a-1/checkpoints/120", "name");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->job_id, "a-1");
  EXPECT_EQ(parsed->step, 120);
  EXPECT_EQ(ParseCheckpointName("trainingJobs/a/checkpoints/0", "name")->step, 0);
  for (const char* bad :
       {"", "trainingJobs/a", "trainingJobs/a/checkpoints/", "trainingJobs/a/checkpoints/-1",
        "trainingJobs/a/checkpoints/01", "trainingJobs/a/checkpoints/1/2",
        "trainingJobs/A/checkpoints/1", "models/a/checkpoints/1", "a/checkpoints/1",
        "trainingJobs/a/checkpoints/99999999999999999999"}) {
    EXPECT_EQ(ErrorField(ParseCheckpointName(bad, "name").status()), "name") << bad;
  }
}

}  // namespace
}  // namespace derin::server
