// The real functions, as far as they work without a GPU.

#include "model/backend/cuda/cuda_calls.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/backend/cuda/cuda_backend.h"

namespace derin::cuda {
namespace {

TEST(CudaCalls, NoneIsMissing) {
  // The table is nothing but addresses, one beside the other.
  const CudaCalls& calls = DeviceCalls();
  const auto* address = reinterpret_cast<void* const*>(&calls);
  for (size_t i = 0; i < sizeof calls / sizeof(void*); ++i) EXPECT_NE(address[i], nullptr) << i;
}

TEST(CudaCalls, WithoutAGpuTheBackendSaysSo) {
  int count = 0;
  if (DeviceCalls().runtime.GetDeviceCount(&count) == cudaSuccess && count > 0) {
    GTEST_SKIP() << "this machine has a GPU";
  }
  const absl::Status status = NewCudaBackend(DeviceCalls(), 0).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), testing::StartsWith("no GPU: "));
}

}  // namespace
}  // namespace derin::cuda
