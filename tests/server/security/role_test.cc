#include "server/security/role.h"

#include <gtest/gtest.h>

namespace derin::server {
namespace {

constexpr Role kAll[] = {Role::kRead, Role::kGenerate, Role::kTrain, Role::kAdmin};

TEST(Role, EveryRoleHasANameThatLeadsBackToIt) {
  for (const Role role : kAll) EXPECT_EQ(ParseRole(RoleName(role)), role);
  EXPECT_EQ(ParseRole("root"), std::nullopt);
  EXPECT_EQ(RoleNames(), "read, generate, train, admin");
}

TEST(Role, ASetHasWhatWasAddedAndNothingElse) {
  const RoleSet none;
  const RoleSet two{Role::kRead, Role::kTrain};
  for (const Role role : kAll) EXPECT_FALSE(none.Has(role));
  EXPECT_TRUE(two.Has(Role::kRead));
  EXPECT_TRUE(two.Has(Role::kTrain));
  EXPECT_FALSE(two.Has(Role::kGenerate));
  EXPECT_FALSE(two.Has(Role::kAdmin));
}

TEST(Role, AnAdminHasEveryRole) {
  for (const Role role : kAll) EXPECT_TRUE(RoleSet{Role::kAdmin}.Has(role));
}

}  // namespace
}  // namespace derin::server
