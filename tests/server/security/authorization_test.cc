#include "server/security/authorization.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace derin::server {
namespace {

TEST(CredentialsOf, StandBehindTheSchemeInAnyCase) {
  EXPECT_EQ(CredentialsOf("Bearer abc", "bearer"), "abc");
  EXPECT_EQ(CredentialsOf("bEARER a b", "bearer"), "a b");
  EXPECT_EQ(CredentialsOf("Basic ", "basic"), "");
}

TEST(CredentialsOf, AreNoneOfAnotherScheme) {
  for (const char* value : {"", "Bearer", "Bearerabc", "Basic abc", " Bearer abc", "Bear abc"}) {
    EXPECT_EQ(CredentialsOf(value, "bearer"), std::nullopt) << value;
  }
}

TEST(AuthorizationIn, IsTheOnlyOneThereIs) {
  std::multimap<std::string, std::string> metadata;
  EXPECT_EQ(AuthorizationIn(metadata), std::nullopt);
  metadata.emplace("authorization", "Bearer abc");
  EXPECT_EQ(AuthorizationIn(metadata), "Bearer abc");
  metadata.emplace("authorization", "Bearer abc");
  EXPECT_EQ(AuthorizationIn(metadata), std::nullopt);
}

}  // namespace
}  // namespace derin::server
