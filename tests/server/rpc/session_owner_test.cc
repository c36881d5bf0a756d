#include "server/rpc/session_owner.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/server/generation/stored_sessions.h"
#include "tests/server/generation/tiny_version.h"

namespace derin::server {
namespace {

TEST(SessionOwner, OnlyAnAdminLooksBeyondItsOwn) {
  const std::unique_ptr<Backend> backend = *NewBackend("auto");
  StoredSessions sessions(*backend);
  const std::string name = sessions.Open(TinyVersion(*backend), "ada", 1)->name();
  const Caller bob{.name = "bob", .roles = {Role::kRead, Role::kGenerate, Role::kTrain}};
  const Caller root{.name = "root", .roles = {Role::kAdmin}};
  EXPECT_EQ(OwnerFor(*sessions, name, bob), "bob");
  EXPECT_EQ(OwnerFor(*sessions, name, root), "ada");
  EXPECT_EQ(OwnerFor(*sessions, "sessions/none", root), "root");
}

}  // namespace
}  // namespace derin::server
