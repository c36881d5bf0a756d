#include "server/storage/model_alias_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/status/error.h"
#include "server/storage/model_table.h"
#include "tests/server/storage/stored_resources.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;

class ModelAliasTableTest : public ::testing::Test {
 protected:
  // Two models, `m` with two versions and `n` with one.
  ModelAliasTableTest() {
    for (const char* model : {"m", "m", "n"}) {
      EXPECT_TRUE(model_table::EnsureExists(*database_, model, {}).ok());
      EXPECT_TRUE(model_table::InsertVersion(*database_, model, v1::ModelVersion()).ok());
    }
  }

  absl::Status Put(const std::string& name, const std::string& version) {
    v1::ModelAlias alias;
    alias.set_name(name);
    alias.set_model_version(version);
    return model_alias_table::Put(*database_, alias);
  }

  TemporaryFolder folder_;
  const std::unique_ptr<Database> database_ = *Database::Open(folder_.path() / "metadata.sqlite");
};

TEST_F(ModelAliasTableTest, AnAliasPointsWhereItWasPutLast) {
  ASSERT_TRUE(Put("models/m/aliases/stable", "models/m/versions/1").ok());
  EXPECT_EQ(model_alias_table::Get(*database_, "m", "stable")->model_version(),
            "models/m/versions/1");
  EXPECT_EQ(model_table::GetVersion(*database_, {"m", 0, "stable"})->name(), "models/m/versions/1");
  ASSERT_TRUE(Put("models/m/aliases/stable", "models/m/versions/2").ok());
  EXPECT_EQ(model_table::GetVersion(*database_, {"m", 0, "stable"})->name(), "models/m/versions/2");
  EXPECT_EQ(model_alias_table::List(*database_, "m")->size(), 1);
}

TEST_F(ModelAliasTableTest, EachModelHasItsOwnInTheOrderOfTheirNames) {
  ASSERT_TRUE(Put("models/m/aliases/stable", "models/m/versions/1").ok());
  ASSERT_TRUE(Put("models/m/aliases/canary", "models/m/versions/2").ok());
  ASSERT_TRUE(Put("models/n/aliases/stable", "models/n/versions/1").ok());
  const auto aliases = model_alias_table::List(*database_, "m");
  ASSERT_TRUE(aliases.ok()) << aliases.status();
  ASSERT_EQ(aliases->size(), 2);
  EXPECT_EQ((*aliases)[0].name(), "models/m/aliases/canary");
  EXPECT_EQ((*aliases)[1].name(), "models/m/aliases/stable");
  const auto model = model_table::Get(*database_, "m");
  ASSERT_TRUE(model.ok()) << model.status();
  ASSERT_EQ(model->aliases_size(), 2);
  EXPECT_TRUE(Same(model->aliases(0), (*aliases)[0]));
  EXPECT_EQ(model_table::List(*database_, "", 10)->items[1].aliases_size(), 1);
}

TEST_F(ModelAliasTableTest, OneThatIsNotThereNamesThoseThatAre) {
  const absl::Status none = model_alias_table::Get(*database_, "m", "stable").status();
  EXPECT_EQ(none.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorReason(none), "MODEL_ALIAS_NOT_FOUND");
  EXPECT_THAT(std::string(none.message()),
              HasSubstr("models/m has no alias \"stable\"; it has none"));
  ASSERT_TRUE(Put("models/m/aliases/stable", "models/m/versions/1").ok());
  ASSERT_TRUE(Put("models/m/aliases/canary", "models/m/versions/1").ok());
  EXPECT_THAT(
      std::string(model_table::GetVersion(*database_, {"m", 0, "stabel"}).status().message()),
      HasSubstr("it has canary, stable"));
  EXPECT_EQ(ErrorReason(model_table::GetVersion(*database_, {"x", 0, "stable"}).status()),
            "MODEL_NOT_FOUND");
}

TEST_F(ModelAliasTableTest, OfManyTheErrorNamesSome) {
  for (int i = 10; i < 35; ++i) {
    ASSERT_TRUE(Put("models/m/aliases/a" + std::to_string(i), "models/m/versions/1").ok());
  }
  EXPECT_TRUE(model_alias_table::Get(*database_, "m", "a34").ok());
  EXPECT_THAT(std::string(model_alias_table::Get(*database_, "m", "b").status().message()),
              HasSubstr("a28, a29, 5 more"));
}

TEST_F(ModelAliasTableTest, ItGoesAloneAndPointsAtNothingElse) {
  ASSERT_TRUE(Put("models/m/aliases/stable", "models/m/versions/1").ok());
  ASSERT_TRUE(model_alias_table::Delete(*database_, "m", "stable").ok());
  EXPECT_TRUE(model_alias_table::List(*database_, "m")->empty());
  EXPECT_TRUE(model_table::GetVersion(*database_, {"m", 1}).ok());
  EXPECT_FALSE(Put("models/m/aliases/stable", "models/m/versions/3").ok());
}

}  // namespace
}  // namespace derin::server
