#include "server/rpc/page.h"

#include <gtest/gtest.h>

#include <cctype>
#include <string>

#include "server/status/error.h"

namespace derin::server {
namespace {

TEST(Page, AnEmptyRequestIsTheFirstHundred) {
  const absl::StatusOr<Page> page = ParsePage(0, "");
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->size, 100);
  EXPECT_EQ(page->after, "");
}

TEST(Page, SizesFromOneToAThousandAreTaken) {
  for (const int size : {1, 2, 1000}) {
    const absl::StatusOr<Page> page = ParsePage(size, "");
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_EQ(page->size, size);
  }
}

TEST(Page, OtherSizesAreRefusedByName) {
  for (const int size : {-1, 1001, 1 << 30}) {
    const absl::StatusOr<Page> page = ParsePage(size, "");
    EXPECT_EQ(page.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ErrorField(page.status()), "page_size");
  }
}

TEST(Page, ATokenLeadsBackToItsKey) {
  for (const std::string& key :
       {std::string("alice"), std::string("\x00\xff/+", 4), std::string(500, 'k')}) {
    const std::string token = PageToken(key);
    for (const char c : token) {
      EXPECT_TRUE(std::isalnum(c) || c == '-' || c == '_' || c == '=') << token;
    }
    const absl::StatusOr<Page> page = ParsePage(7, token);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_EQ(page->after, key);
  }
}

TEST(Page, NoKeyIsNoToken) { EXPECT_EQ(PageToken(""), ""); }

TEST(Page, TokensThatNobodyGaveAreRefusedByName) {
  std::string changed = PageToken("alice");
  changed.back() = changed.back() == 'A' ? 'B' : 'A';
  for (const std::string& token : {std::string("alice"), std::string("!"), changed,
                                   PageToken("alice").substr(1), std::string(100'000, 'A')}) {
    const absl::StatusOr<Page> page = ParsePage(0, token);
    EXPECT_EQ(page.status().code(), absl::StatusCode::kInvalidArgument) << token;
    EXPECT_EQ(ErrorField(page.status()), "page_token");
    EXPECT_LT(page.status().message().size(), 400u);
  }
}

}  // namespace
}  // namespace derin::server
