#include "server/status_page/html_text.h"

#include <gtest/gtest.h>

namespace derin::server {
namespace {

TEST(HtmlText, IsNeverMarkup) {
  EXPECT_EQ(HtmlText("<script>alert(\"1\" & '2')</script>"),
            "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;");
}

TEST(HtmlText, KeepsWhatIsPlain) {
  EXPECT_EQ(HtmlText("deniz, naïve 海 a-z_0"), "deniz, naïve 海 a-z_0");
  EXPECT_EQ(HtmlText(""), "");
}

TEST(HtmlText, HasNoControlCharacters) {
  EXPECT_EQ(HtmlText(std::string_view("a\0b\x1b[1m\x7f", 8)), "a b [1m ");
}

}  // namespace
}  // namespace derin::server
