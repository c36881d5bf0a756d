#include "server/storage/corpus_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/status/error.h"
#include "tests/server/storage/stored_resources.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CorpusTableTest : public ::testing::Test {
 protected:
  std::vector<std::string> Names(const Listing<v1::Corpus>& listing) {
    std::vector<std::string> names;
    for (const v1::Corpus& corpus : listing.items) names.push_back(corpus.name());
    return names;
  }

  TemporaryFolder folder_;
  const std::unique_ptr<Database> database_ = *Database::Open(folder_.path() / "metadata.sqlite");
};

TEST_F(CorpusTableTest, GivesBackWhatWasStored) {
  ASSERT_TRUE(corpus_table::Insert(*database_, TestCorpus("a")).ok());
  const auto corpus = corpus_table::Get(*database_, "a");
  ASSERT_TRUE(corpus.ok()) << corpus.status();
  EXPECT_TRUE(Same(*corpus, TestCorpus("a")));
}

TEST_F(CorpusTableTest, TheSameTextUnderTheSameIdAnswersAsTheFirstTime) {
  ASSERT_TRUE(corpus_table::Insert(*database_, TestCorpus("a")).ok());
  v1::Corpus again = TestCorpus("a");
  again.mutable_create_time()->set_seconds(5'000);
  const auto stored = corpus_table::Insert(*database_, again);
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_TRUE(Same(*stored, TestCorpus("a")));
}

TEST_F(CorpusTableTest, AnotherTextOrNormalizationUnderTheSameIdIsRefused) {
  ASSERT_TRUE(corpus_table::Insert(*database_, TestCorpus("a")).ok());
  v1::Corpus normalized = TestCorpus("a");
  normalized.set_normalization(v1::NORMALIZATION_D2L_LETTERS);
  for (const v1::Corpus& other : {TestCorpus("a", "another text"), normalized}) {
    const auto stored = corpus_table::Insert(*database_, other);
    EXPECT_EQ(stored.status().code(), absl::StatusCode::kAlreadyExists);
    EXPECT_EQ(ErrorReason(stored.status()), "CORPUS_EXISTS");
    EXPECT_THAT(std::string(stored.status().message()),
                AllOf(HasSubstr(other.sha256()), HasSubstr("its normalisation raw; got")));
  }
  EXPECT_TRUE(Same(*corpus_table::Get(*database_, "a"), TestCorpus("a")));
}

TEST_F(CorpusTableTest, ListsByIdInPages) {
  for (const char* id : {"c", "a", "b-1", "b"}) {
    ASSERT_TRUE(corpus_table::Insert(*database_, TestCorpus(id)).ok());
  }
  auto page = corpus_table::List(*database_, "", 3);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(Names(*page), ElementsAre("corpora/a", "corpora/b", "corpora/b-1"));
  EXPECT_EQ(page->next, "b-1");
  page = corpus_table::List(*database_, page->next, 3);
  EXPECT_THAT(Names(*page), ElementsAre("corpora/c"));
  EXPECT_EQ(page->next, "");
}

TEST_F(CorpusTableTest, APageThatEndsWithTheListIsTheLast) {
  for (const char* id : {"a", "b"}) {
    ASSERT_TRUE(corpus_table::Insert(*database_, TestCorpus(id)).ok());
  }
  EXPECT_EQ(corpus_table::List(*database_, "", 2)->next, "");
  EXPECT_EQ(corpus_table::List(*database_, "", 1)->next, "a");
}

TEST_F(CorpusTableTest, WhatWasDeletedIsNotFoundAndItsIdIsFree) {
  ASSERT_TRUE(corpus_table::Insert(*database_, TestCorpus("a")).ok());
  ASSERT_TRUE(corpus_table::Delete(*database_, "a").ok());
  const auto corpus = corpus_table::Get(*database_, "a");
  EXPECT_EQ(corpus.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorReason(corpus.status()), "CORPUS_NOT_FOUND");
  EXPECT_TRUE(corpus_table::Insert(*database_, TestCorpus("a", "another text")).ok());
}

}  // namespace
}  // namespace derin::server
