#include "model/backend/backend_list.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace derin {
namespace {

TEST(BackendList, RefusesAnUnknownNameListingThoseThereAre) {
  const auto backend = NewBackend("tpu");
  EXPECT_EQ(backend.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(backend.status().message()),
              testing::AllOf(testing::HasSubstr("'tpu'"), testing::HasSubstr("reference")));
}

TEST(BackendList, RefusesMoreThreadsThanABackendWorksWith) {
  EXPECT_EQ((*NewBackend("cpu", 3))->capabilities().threads, 3);
  const auto backend = NewBackend("reference", 2);
  EXPECT_EQ(backend.status().message(), "got 2 threads, wanted 0 to 1 for device 'reference'");
}

TEST(BackendList, AutoTakesTheFirst) {
  EXPECT_EQ((*NewBackend("auto"))->capabilities().backend, BackendNames().front());
}

}  // namespace
}  // namespace derin
