#include "model/backend/cuda/kernels/chunks.h"

#include <numeric>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/backend/cuda/kernels/states.h"
#include "tests/model/backend/cuda/host_launch.h"

namespace derin::cuda {
namespace {

using testing::ElementsAre;

TEST(Chunks, GoThereAndBackWithoutTouchingTheGaps) {
  const std::vector<Chunk> chunks = {{0, 1030, 1024, 1024, 1024}, {1024, 3, 7, 7, 7}};
  std::vector<float> canonical(1031), packed(2060, -1), back(1031, -2);
  std::iota(canonical.begin(), canonical.end(), 0.0f);
  RunOnHost(PackWeights<float>{chunks.data(), canonical.data(), packed.data(), 2});
  EXPECT_EQ(packed[1029], -1);
  EXPECT_EQ(packed[1030], 0);
  EXPECT_EQ(packed[2053], 1023);
  EXPECT_EQ(packed[2054], -1);
  EXPECT_EQ(packed[3], 1024);
  EXPECT_EQ(packed[10], -1);
  RunOnHost(UnpackGradients<float>{chunks.data(), packed.data(), back.data(), nullptr, 2});
  EXPECT_EQ(back, canonical);
}

TEST(Chunks, RowsMayBeLongerInThePacking) {
  // Two whole rows of three, then one of two, in rows of four.
  const std::vector<Chunk> chunks = {{0, 4, 8, 3, 4}};
  std::vector<float> canonical = {1, 2, 3, 4, 5, 6, 7, 8}, back(8, -2);
  std::vector<F16> packed(16, F16{0xffff});
  RunOnHost(PackWeights<F16>{chunks.data(), canonical.data(), packed.data(), 1});
  for (const int gap : {3, 7, 11, 14}) EXPECT_EQ(packed[gap].bits, 0xffff);
  EXPECT_EQ(ToFloat(packed[8]), 4);
  const double scale = 4;
  RunOnHost(UnpackGradients<F16>{chunks.data(), packed.data(), back.data(), &scale, 1});
  EXPECT_THAT(back, ElementsAre(0.25f, 0.5f, 0.75f, 1, 1.25f, 1.5f, 1.75f, 2));
}

TEST(Slots, AreReadAndWrittenWhole) {
  std::vector<float> pool = {0, 1, 10, 11, 20, 21}, states(4);
  const std::vector<int32_t> from = {2, 0}, to = {0, 1};
  RunOnHost(ReadSlots{pool.data(), from.data(), states.data(), 2, 2});
  EXPECT_THAT(states, ElementsAre(20, 21, 0, 1));
  RunOnHost(WriteSlots{states.data(), to.data(), pool.data(), 2, 2});
  EXPECT_THAT(pool, ElementsAre(20, 21, 0, 1, 20, 21));
}

TEST(LaunchShape, CoversEveryItemAndLaunchesNothingForNone) {
  const auto blocks_for = [](int64_t chunks) {
    return ShapeOf(PackWeights<float>{.chunk_count = chunks}).blocks;
  };
  EXPECT_EQ(blocks_for(0), 0);
  EXPECT_EQ(blocks_for(1), 4);
  EXPECT_EQ(ShapeOf(ReadSlots{.count = 1, .slot_elements = 257}).blocks, 2);
  EXPECT_EQ(ShapeOf(ReadSlots{.count = 1, .slot_elements = 256}).threads, 256);
}

TEST(LaunchShape, BeginsEarlyOnlyWhereTheOtherHalfIsFree) {
  EXPECT_TRUE(MayBeginEarly(1, 2));
  EXPECT_TRUE(MayBeginEarly(66, 132));
  EXPECT_FALSE(MayBeginEarly(67, 132));
  EXPECT_FALSE(MayBeginEarly(1, 0)) << "on a device that cannot";
}

}  // namespace
}  // namespace derin::cuda
