#include "server/usage/usage_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/server/storage/stored_resources.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class UsageLedgerTest : public ::testing::Test {
 protected:
  UsageLedgerTest() { Open(); }

  void Open() {
    ledger_.reset();
    store_ = *MetadataStore::Open(folder_.path() / "metadata.sqlite");
    ledger_ = std::make_unique<UsageLedger>(*store_, metrics_);
    ASSERT_TRUE(ledger_->Start().ok());
  }
  std::vector<std::string> Names(const Listing<UsageLedger::Usage>& listing) {
    std::vector<std::string> names;
    for (const UsageLedger::Usage& usage : listing.items) names.push_back(usage.caller);
    return names;
  }

  TemporaryFolder folder_;
  ServerMetrics metrics_;
  std::unique_ptr<MetadataStore> store_;
  std::unique_ptr<UsageLedger> ledger_;
};

TEST_F(UsageLedgerTest, ACallerHasOneAccountAlsoAfterARestart) {
  ledger_->Of("ada")->AddPromptTokens(3);
  ledger_->Of("ada")->AddPromptTokens(4);
  EXPECT_EQ(ledger_->Get("ada")->figures.prompt_tokens, 7);
  Open();
  EXPECT_EQ(ledger_->Get("ada")->figures.prompt_tokens, 7);
  ledger_->Of("ada")->AddPromptTokens(1);
  EXPECT_EQ(ledger_->Get("ada")->figures.prompt_tokens, 8);
  EXPECT_EQ(ledger_->Get("nobody")->figures, UsageFigures());
}

TEST_F(UsageLedgerTest, WritesOnlyWhatChanged) {
  ledger_->Of("ada")->AddPromptTokens(3);
  ledger_->Of("bob");  // used nothing
  ASSERT_TRUE(ledger_->Write().ok());
  ASSERT_EQ(store_->ListUsage()->size(), 1u);
  EXPECT_EQ(store_->ListUsage()->front().figures.prompt_tokens, 3);
  // What it has not changed it does not write.
  ASSERT_TRUE(store_->PutUsage({{{.caller = "ada", .figures = {.prompt_tokens = 100}}}}).ok());
  ASSERT_TRUE(ledger_->Write().ok());
  EXPECT_EQ(store_->ListUsage()->front().figures.prompt_tokens, 100);
  ledger_->Of("ada")->AddPromptTokens(1);
  ASSERT_TRUE(ledger_->Write().ok());
  EXPECT_EQ(store_->ListUsage()->front().figures.prompt_tokens, 4);
}

TEST_F(UsageLedgerTest, ListsByNameAPageAtATime) {
  for (const char* name : {"eve", "ada", "bob"}) ledger_->Of(name);
  const auto first = ledger_->List("", 2);
  EXPECT_THAT(Names(*first), ElementsAre("ada", "bob"));
  EXPECT_EQ(first->next, "bob");
  const auto second = ledger_->List(first->next, 2);
  EXPECT_THAT(Names(*second), ElementsAre("eve"));
  EXPECT_EQ(second->next, "");
}

TEST_F(UsageLedgerTest, BytesAreThoseOfWhatIsThere) {
  ledger_->Of("ada");
  ASSERT_TRUE(store_->InsertCorpus(TestCorpus("a", "some text"), {.owner = "ada"}).ok());
  ASSERT_TRUE(store_->InsertCorpus(TestCorpus("b", "other text"), {.owner = "bob"}).ok());
  EXPECT_EQ(ledger_->Get("ada")->stored_bytes, 9);
  EXPECT_EQ(ledger_->List("", 1)->items.front().stored_bytes, 9);
  ASSERT_TRUE(store_->DeleteCorpus("a").ok());
  EXPECT_EQ(ledger_->Get("ada")->stored_bytes, 0);
}

TEST_F(UsageLedgerTest, IsInTheMetrics) {
  ledger_->Of("ada")->AddGeneratedTokens(12);
  ledger_->Of("ada")->AddTrainingTime(absl::Seconds(2));
  double tokens = 0, seconds = 0;
  for (const auto& metric : metrics_.usage_tokens.Collect().metric) {
    if (metric.label[1].value == "generated") tokens = metric.counter.value;
  }
  for (const auto& metric : metrics_.usage_seconds.Collect().metric) {
    EXPECT_EQ(metric.label[0].value, "ada");
    if (metric.label[1].value == "training") seconds = metric.counter.value;
  }
  EXPECT_EQ(tokens, 12);
  EXPECT_EQ(seconds, 2);
  ledger_.reset();
  EXPECT_THAT(metrics_.usage_tokens.Collect().metric, IsEmpty());
}

}  // namespace
}  // namespace derin::server
