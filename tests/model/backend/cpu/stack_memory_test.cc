#include "model/backend/cpu/stack_memory.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "model/backend/host_backend.h"

namespace derin::cpu {
namespace {

const StackConfig kConfig{.cell = Cell::kLstm, .layers = 2, .hidden = 33, .vocabulary = 11};
const StackExtent kExtent{.steps = 5, .batch = 3, .training = true, .step_rows = 4};

std::vector<Array> ArraysOf(const StackMemory& memory) {
  std::vector<Array> arrays = {memory.tokens,  memory.d_output, memory.dc,  memory.d_bf16,
                               memory.d_pairs, memory.by_token, memory.sums};
  for (const StackMemory::Layer& l : memory.layers) {
    arrays.insert(arrays.end(), {l.start, l.forward, l.back_input, l.back_recurrent, l.gates, l.h,
                                 l.c, l.tanh_c, l.h_bf16, l.h_pairs, l.step_h, l.step_c,
                                 l.step_new_h, l.step_new_c, l.step_h_bf16, l.step_new_h_bf16});
  }
  return arrays;
}

TEST(StackMemory, GivesEachArrayZeroedMemoryOfItsOwnReadableBeyondItsEnd) {
  for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
    StackConfig config = kConfig;
    config.precision = precision;
    StackMemory memory(config, kExtent, 2);
    ASSERT_TRUE(memory.Allocate().ok());
    std::vector<std::pair<uintptr_t, uintptr_t>> places;
    for (const Array& array : ArraysOf(memory)) {
      const auto* data = array.As<char>();
      if (array.bytes == 0) {
        EXPECT_EQ(data, nullptr);
        continue;
      }
      const auto begin = reinterpret_cast<uintptr_t>(data);
      EXPECT_EQ(begin % 64, 0);
      EXPECT_TRUE(std::all_of(data, data + array.bytes, [](char c) { return c == 0; }));
      places.push_back({begin, begin + array.bytes + kReadableBeyond});
    }
    std::sort(places.begin(), places.end());
    for (size_t i = 1; i < places.size(); ++i) EXPECT_LE(places[i - 1].second, places[i].first);
  }
}

TEST(StackMemory, PlansWhatItAllocates) {
  for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
    StackConfig config = kConfig;
    config.precision = precision;
    const StackMemory memory(config, kExtent, 2);
    const StackPlan plan = memory.Plan();
    int64_t bytes = 0;
    for (const Array& array : ArraysOf(memory)) bytes += array.bytes;
    EXPECT_EQ(plan.weight_bytes + plan.workspace_bytes + plan.reserve_bytes, bytes);
    EXPECT_GT(plan.weight_bytes, 0);
    EXPECT_GT(plan.workspace_bytes, 0);
    EXPECT_GT(plan.reserve_bytes, 0);
    EXPECT_EQ(plan.slot_bytes, 2 * 2 * 33 * 4);
  }
}

TEST(StackMemory, WithoutTrainingOrForwardTakesLess) {
  const auto bytes = [](StackExtent extent) {
    const StackPlan plan = StackMemory(kConfig, extent, 2).Plan();
    return plan.weight_bytes + plan.workspace_bytes + plan.reserve_bytes;
  };
  const int64_t training = bytes(kExtent),
                forward = bytes({.steps = 5, .batch = 3, .step_rows = 4}),
                step = bytes({.step_rows = 4});
  EXPECT_GT(training, forward);
  EXPECT_GT(forward, step);
  EXPECT_EQ(StackMemory(kConfig, {.step_rows = 4}, 2).Plan().reserve_bytes, 0);
}

TEST(StackMemory, WithBf16MakesOddBatchesEven) {
  StackConfig config = kConfig;
  EXPECT_EQ(StackMemory(config, kExtent, 2).rows, 3);
  config.precision = Precision::kBf16;
  EXPECT_EQ(StackMemory(config, kExtent, 2).rows, 4);
}

}  // namespace
}  // namespace derin::cpu
