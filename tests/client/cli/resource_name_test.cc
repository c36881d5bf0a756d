#include "client/cli/resource_name.h"

#include <gtest/gtest.h>

namespace derin::cli {
namespace {

TEST(ResourceName, AddsTheCollectionOnce) {
  EXPECT_EQ(ResourceName("corpora", "timemachine"), "corpora/timemachine");
  EXPECT_EQ(ResourceName("corpora", "corpora/timemachine"), "corpora/timemachine");
  EXPECT_EQ(ResourceName("models", "a/versions/3"), "models/a/versions/3");
  EXPECT_EQ(ResourceName("models", "models"), "models/models");
  EXPECT_EQ(ResourceName("models", "modelsx/a"), "models/modelsx/a");
}

TEST(ResourceId, TakesTheCollectionAway) {
  EXPECT_EQ(ResourceId("sessions", "sessions/ab-1"), "ab-1");
  EXPECT_EQ(ResourceId("sessions", "ab-1"), "ab-1");
  EXPECT_EQ(ResourceId("sessions", ""), "");
}

}  // namespace
}  // namespace derin::cli
