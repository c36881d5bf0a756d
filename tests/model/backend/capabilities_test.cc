#include "model/backend/capabilities.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace derin {
namespace {

TEST(Capabilities, APrecisionThatIsNotThereIsRefusedListingThoseThatAre) {
  const Capabilities capabilities{
      .backend = "cpu", .device = "Model T", .precisions = {Precision::kF32, Precision::kF64}};
  EXPECT_TRUE(CheckPrecision(capabilities, Precision::kF32).ok());
  const absl::Status status = CheckPrecision(capabilities, Precision::kBf16);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "got precision bf16, which backend cpu does not have on this machine (Model T); it has "
            "f32, f64");
}

}  // namespace
}  // namespace derin
