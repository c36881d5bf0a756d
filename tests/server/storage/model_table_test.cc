#include "server/storage/model_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/status/error.h"
#include "tests/server/storage/stored_resources.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;

google::protobuf::Timestamp At(int64_t seconds) {
  google::protobuf::Timestamp time;
  time.set_seconds(seconds);
  return time;
}

class ModelTableTest : public ::testing::Test {
 protected:
  std::string InsertVersion(std::string_view model) {
    const auto version = model_table::InsertVersion(*database_, model, v1::ModelVersion());
    EXPECT_TRUE(version.ok()) << version.status();
    return version->name();
  }

  TemporaryFolder folder_;
  const std::unique_ptr<Database> database_ = *Database::Open(folder_.path() / "metadata.sqlite");
};

TEST_F(ModelTableTest, AModelIsMadeOnce) {
  ASSERT_TRUE(model_table::EnsureExists(*database_, "m", At(1)).ok());
  ASSERT_TRUE(model_table::EnsureExists(*database_, "m", At(2)).ok());
  const auto model = model_table::Get(*database_, "m");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->name(), "models/m");
  EXPECT_EQ(model->create_time().seconds(), 1);
  EXPECT_FALSE(model->has_latest_version());
  EXPECT_EQ(model->version_count(), 0);
}

TEST_F(ModelTableTest, VersionsAreNumberedFromOneForEachModel) {
  ASSERT_TRUE(model_table::EnsureExists(*database_, "m", At(1)).ok());
  ASSERT_TRUE(model_table::EnsureExists(*database_, "n", At(1)).ok());
  EXPECT_EQ(InsertVersion("m"), "models/m/versions/1");
  EXPECT_EQ(InsertVersion("n"), "models/n/versions/1");
  EXPECT_EQ(InsertVersion("m"), "models/m/versions/2");
  const auto model = model_table::Get(*database_, "m");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->latest_version().name(), "models/m/versions/2");
  EXPECT_EQ(model->version_count(), 2);
  EXPECT_EQ(model_table::GetVersion(*database_, {"m", 1})->name(), "models/m/versions/1");
  EXPECT_EQ(model_table::GetVersion(*database_, {"m"})->name(), "models/m/versions/2");
}

TEST_F(ModelTableTest, AfterNineComesTen) {
  ASSERT_TRUE(model_table::EnsureExists(*database_, "m", At(1)).ok());
  for (int i = 0; i < 10; ++i) InsertVersion("m");
  EXPECT_EQ(model_table::GetVersion(*database_, {"m"})->name(), "models/m/versions/10");
}

TEST_F(ModelTableTest, WhatIsNotThereIsNotFound) {
  ASSERT_TRUE(model_table::EnsureExists(*database_, "m", At(1)).ok());
  InsertVersion("m");
  EXPECT_EQ(ErrorReason(model_table::Get(*database_, "n").status()), "MODEL_NOT_FOUND");
  EXPECT_EQ(ErrorReason(model_table::GetVersion(*database_, {"n"}).status()), "MODEL_NOT_FOUND");
  EXPECT_EQ(ErrorReason(model_table::GetVersion(*database_, {"n", 1}).status()), "MODEL_NOT_FOUND");
  EXPECT_EQ(ErrorReason(model_table::InsertVersion(*database_, "n", v1::ModelVersion()).status()),
            "MODEL_NOT_FOUND");
  const absl::Status version = model_table::GetVersion(*database_, {"m", 2}).status();
  EXPECT_EQ(version.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorReason(version), "MODEL_VERSION_NOT_FOUND");
  EXPECT_THAT(std::string(version.message()), HasSubstr("models/m has no version 2"));
}

TEST_F(ModelTableTest, AModelWithoutVersionsHasNoLatest) {
  ASSERT_TRUE(model_table::EnsureExists(*database_, "m", At(1)).ok());
  const absl::Status latest = model_table::GetVersion(*database_, {"m"}).status();
  EXPECT_EQ(latest.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(latest), "MODEL_HAS_NO_VERSION");
}

TEST_F(ModelTableTest, ListsByIdInPagesWithTheirVersions) {
  for (const char* id : {"c", "b", "a"}) {
    ASSERT_TRUE(model_table::EnsureExists(*database_, id, At(1)).ok());
  }
  InsertVersion("b");
  auto page = model_table::List(*database_, "", 2);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->items.size(), 2);
  EXPECT_EQ(page->items[0].name(), "models/a");
  EXPECT_FALSE(page->items[0].has_latest_version());
  EXPECT_EQ(page->items[1].latest_version().name(), "models/b/versions/1");
  EXPECT_EQ(page->items[1].version_count(), 1);
  page = model_table::List(*database_, page->next, 2);
  ASSERT_EQ(page->items.size(), 1);
  EXPECT_EQ(page->items[0].name(), "models/c");
  EXPECT_EQ(page->next, "");
}

TEST_F(ModelTableTest, VersionsAreListedNewestFirstInPages) {
  ASSERT_TRUE(model_table::EnsureExists(*database_, "m", At(1)).ok());
  EXPECT_TRUE(model_table::ListVersions(*database_, "m", "", 10)->items.empty());
  for (int i = 0; i < 11; ++i) InsertVersion("m");
  const auto first = model_table::ListVersions(*database_, "m", "", 10);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->items.size(), 10);
  EXPECT_EQ(first->items[0].name(), "models/m/versions/11");
  EXPECT_EQ(first->next, "2");
  const auto second = model_table::ListVersions(*database_, "m", first->next, 10);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->items.size(), 1);
  EXPECT_EQ(second->items[0].name(), "models/m/versions/1");
  EXPECT_EQ(second->next, "");
  EXPECT_EQ(ErrorReason(model_table::ListVersions(*database_, "n", "", 10).status()),
            "MODEL_NOT_FOUND");
  EXPECT_EQ(ErrorField(model_table::ListVersions(*database_, "m", "x", 10).status()), "page_token");
}

TEST_F(ModelTableTest, NumbersOfDeletedVersionsNeverComeAgain) {
  ASSERT_TRUE(model_table::EnsureExists(*database_, "m", At(1)).ok());
  InsertVersion("m");
  InsertVersion("m");
  ASSERT_TRUE(model_table::DeleteVersion(*database_, "m", 2).ok());
  EXPECT_EQ(model_table::GetVersion(*database_, {"m"})->name(), "models/m/versions/1");
  EXPECT_EQ(model_table::Get(*database_, "m")->version_count(), 1);
  EXPECT_EQ(InsertVersion("m"), "models/m/versions/3");
}

TEST_F(ModelTableTest, ADeletedModelIsNotThereAndMadeAnewItGoesOnCounting) {
  ASSERT_TRUE(model_table::EnsureExists(*database_, "m", At(1)).ok());
  InsertVersion("m");
  ASSERT_TRUE(model_table::Delete(*database_, "m").ok());
  EXPECT_EQ(ErrorReason(model_table::Get(*database_, "m").status()), "MODEL_NOT_FOUND");
  EXPECT_EQ(ErrorReason(model_table::GetVersion(*database_, {"m", 1}).status()), "MODEL_NOT_FOUND");
  EXPECT_TRUE(model_table::List(*database_, "", 10)->items.empty());
  EXPECT_EQ(ErrorReason(model_table::InsertVersion(*database_, "m", v1::ModelVersion()).status()),
            "MODEL_NOT_FOUND");
  ASSERT_TRUE(model_table::EnsureExists(*database_, "m", At(5)).ok());
  const auto model = model_table::Get(*database_, "m");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->create_time().seconds(), 5);
  EXPECT_EQ(model->version_count(), 0);
  EXPECT_EQ(InsertVersion("m"), "models/m/versions/2");
}

}  // namespace
}  // namespace derin::server
