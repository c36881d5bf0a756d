// The single step, by either family of kernels, against the cpu backend's.

#include "model/backend/cuda/kernels/step.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

#include "gtest/gtest.h"
#include "model/backend/backend_list.h"
#include "model/backend/cuda/kernels/float_step.h"
#include "model/backend/cuda/kernels/tensor_step.h"
#include "model/backend/stack_layout.h"
#include "model/network/parameters.h"
#include "model/sampling/philox.h"
#include "tests/model/backend/cuda/host_launch.h"

namespace derin::cuda {
namespace {

constexpr int kSlots = 5, kRows = 4;
const std::vector<int32_t> kTokens = {6, 0, 3, 2}, kSlotsOfRows = {4, 1, -1, 2};

std::vector<float> RandomStates(const StackConfig& config) {
  std::vector<float> states(kSlots * StateElements(config));
  for (size_t i = 0; i < states.size(); ++i) {
    states[i] = UnitUniform(Philox4x32(RandomPurpose::kSampling, uint32_t(i), 0, 0, 1).word[0]);
  }
  return states;
}

struct Stepped {
  std::vector<float> pool, top;
};

// A stack's tables and weights, packed as the kernels of one of the two families read them.
template <class Element>
struct Packed {
  Packed(const StackConfig& config, const std::vector<float>& flat) {
    const std::vector<Slice> slices = StackSlices(config);
    const Cell cell = config.cell;
    const int64_t columns = PackedColumns(cell, config.hidden),
                  of_part = StepPadded(config.hidden) * columns;
    for (int layer = 0; layer < config.layers; ++layer) {
      const LayerSlices at(layer);
      const auto tensor = [&](int index) { return flat.data() + slices[index].offset; };
      const int64_t vocabulary = layer == 0 ? config.vocabulary : 0;
      auto& start = starts.emplace_back(std::max<int64_t>(vocabulary, 1) * columns, NAN);
      RunOnHost(StepStarts<Element>{cell, config.hidden, vocabulary, tensor(at.weight_ih),
                                    tensor(at.bias_ih), tensor(at.bias_hh), start.data()});
      const int parts = StepParts(layer);
      auto& packed = weights.emplace_back(parts * of_part);
      for (int part = 0; part < parts; ++part) {
        const bool of_input = part + 1 < parts;
        const float* from = tensor(of_input ? at.weight_ih : at.weight_hh);
        if constexpr (std::is_same_v<Element, float>) {
          RunOnHost(
              PackStepRows{cell, of_input, config.hidden, from, packed.data() + part * of_part});
        } else {
          RunOnHost(PackStepFragments<Element>{cell, of_input, part, parts, config.hidden, from,
                                               packed.data()});
        }
      }
    }
  }
  std::vector<std::vector<float>> starts;
  std::vector<std::vector<Element>> weights;
};

// A step of all layers by `Kernel`.
template <class Kernel, class Element>
Stepped StepOnHost(const StackConfig& config, const std::vector<float>& flat,
                   const std::vector<int32_t>& tokens, const std::vector<int32_t>& slots,
                   FaultWord* fault) {
  const Packed<Element> packed(config, flat);
  const auto rows = static_cast<int64_t>(tokens.size());
  Stepped stepped{RandomStates(config), std::vector<float>(rows * config.hidden, NAN)};
  std::vector<float> states(rows * StateElements(config), NAN);
  for (int layer = 0; layer < config.layers; ++layer) {
    RunOnHost(Kernel{{.cell = config.cell,
                      .layer = layer,
                      .layers = config.layers,
                      .hidden = config.hidden,
                      .vocabulary = config.vocabulary,
                      .rows = rows,
                      .starts = packed.starts[layer].data(),
                      .tokens = tokens.data(),
                      .slots = slots.data(),
                      .pool = stepped.pool.data(),
                      .states = states.data(),
                      .top = layer + 1 == config.layers ? stepped.top.data() : nullptr,
                      .fault = fault},
                     packed.weights[layer].data()});
  }
  RunOnHost(FinishStep{states.data(), slots.data(), tokens.data(), stepped.pool.data(), rows,
                       StateElements(config), config.vocabulary});
  return stepped;
}

template <class Tile>
Stepped FloatStep(const StackConfig& config, const std::vector<float>& flat,
                  const std::vector<int32_t>& tokens, const std::vector<int32_t>& slots,
                  FaultWord* fault) {
  return StepOnHost<FloatStepLayer<Tile>, float>(config, flat, tokens, slots, fault);
}
template <class Tile>
Stepped TensorStep(const StackConfig& config, const std::vector<float>& flat,
                   const std::vector<int32_t>& tokens, const std::vector<int32_t>& slots,
                   FaultWord* fault) {
  return StepOnHost<TensorStepLayer<Tile>, typename Tile::Element>(config, flat, tokens, slots,
                                                                   fault);
}

Stepped StepOnCpu(const StackConfig& config, const std::vector<float>& flat,
                  const std::vector<int32_t>& tokens, const std::vector<int32_t>& slots) {
  auto backend = *NewBackend("cpu");
  auto queue = *backend->NewQueue(QueuePriority::kTraining);
  auto stack = *backend->NewStack(config, {.step_rows = kRows});
  const auto floats = [&](const std::vector<float>& values) {
    Buffer buffer = *backend->Allocate(ElementType::kF32, values.size());
    backend->Upload(*queue, values.data(), buffer.view());
    return buffer;
  };
  const auto integers = [&](const std::vector<int32_t>& values) {
    Buffer buffer = *backend->Allocate(ElementType::kI32, values.size());
    backend->Upload(*queue, values.data(), buffer.view());
    return buffer;
  };
  Buffer weights = floats(flat), pool = floats(RandomStates(config)),
         top = floats(std::vector<float>(kRows * config.hidden, NAN));
  Buffer ids = integers(tokens), at = integers(slots);
  stack->SetParameters(*queue, weights.view());
  stack->Step(*queue, ids.view(), at.view(), pool.view(), top.view());
  Stepped stepped{RandomStates(config), std::vector<float>(kRows * config.hidden)};
  EXPECT_TRUE(backend->Download(*queue, pool.view(), stepped.pool.data()).ok());
  EXPECT_TRUE(backend->Download(*queue, top.view(), stepped.top.data()).ok());
  return stepped;
}

constexpr Cell kCells[] = {Cell::kVanillaTanh, Cell::kVanillaRelu, Cell::kGru, Cell::kLstm};

std::vector<float> StackParameters(const StackConfig& config) {
  Parameters parameters = InitialParameters(config, 5);
  parameters.values.resize(parameters.layout.stack_count());
  return parameters.values;
}

// Rows 0, 1 and 3 as the cpu backend's, row 2 untouched.
void ExpectAsOnCpu(const StackConfig& config, const Stepped& got, double tolerance) {
  const Stepped wanted = StepOnCpu(config, StackParameters(config), kTokens, kSlotsOfRows);
  for (size_t i = 0; i < wanted.pool.size(); ++i) {
    EXPECT_NEAR(got.pool[i], wanted.pool[i], tolerance) << i;
  }
  for (size_t i = 0; i < wanted.top.size(); ++i) {
    EXPECT_EQ(std::isnan(got.top[i]), i / config.hidden == 2) << i;
    if (i / config.hidden != 2) {
      EXPECT_NEAR(got.top[i], wanted.top[i], tolerance) << i;
    }
  }
}

bool SameBits(const Stepped& a, const Stepped& b) {
  const auto same = [](const std::vector<float>& one, const std::vector<float>& other) {
    return one.size() == other.size() &&
           std::memcmp(one.data(), other.data(), one.size() * sizeof(float)) == 0;
  };
  return same(a.pool, b.pool) && same(a.top, b.top);
}

TEST(FloatStepLayer, StepsEveryCellAsTheCpuBackendDoesWithAnyTile) {
  for (const Cell cell : kCells) {
    // Below and beyond a chunk of every tile, in quads and not.
    for (const int hidden : {3, 19, 36, 132}) {
      SCOPED_TRACE(testing::Message() << CellName(cell) << " of " << hidden);
      const StackConfig config{.cell = cell, .layers = 3, .hidden = hidden, .vocabulary = 7};
      FaultWord fault = 0;
      const auto flat = StackParameters(config);
      const auto small = FloatStep<SmallFloatTile>(config, flat, kTokens, kSlotsOfRows, &fault);
      ExpectAsOnCpu(config, small, 2e-6);
      EXPECT_TRUE(
          SameBits(small, FloatStep<MediumFloatTile>(config, flat, kTokens, kSlotsOfRows, &fault)));
      EXPECT_TRUE(
          SameBits(small, FloatStep<LargeFloatTile>(config, flat, kTokens, kSlotsOfRows, &fault)));
      EXPECT_EQ(fault, 0u);
    }
  }
}

template <class Element>
void ExpectTensorSteps(double tolerance) {
  for (const Cell cell : kCells) {
    for (const int hidden : {3, 36, 132}) {
      SCOPED_TRACE(testing::Message() << CellName(cell) << " of " << hidden);
      const StackConfig config{.cell = cell, .layers = 3, .hidden = hidden, .vocabulary = 7};
      FaultWord fault = 0;
      const auto flat = StackParameters(config);
      const auto small =
          TensorStep<SmallTensorTile<Element>>(config, flat, kTokens, kSlotsOfRows, &fault);
      ExpectAsOnCpu(config, small, tolerance);
      EXPECT_TRUE(SameBits(small, TensorStep<LargeTensorTile<Element>>(config, flat, kTokens,
                                                                       kSlotsOfRows, &fault)));
      EXPECT_EQ(fault, 0u);
    }
  }
}

TEST(TensorStepLayer, StepsEveryCellWithinBf16OfTheCpuBackendWithAnyTile) {
  ExpectTensorSteps<Bf16>(1.5e-2);
}
TEST(TensorStepLayer, StepsEveryCellWithinF16OfTheCpuBackendWithAnyTile) {
  ExpectTensorSteps<F16>(2e-3);
}

TEST(FragmentPlace, EveryNumberOfA16By16BlockHasOnePlaceAndALaneAWholeQuad) {
  std::vector<int> seen(kTensorDepth * kTensorColumns);
  for (int lane = 0; lane < kWarpThreads; ++lane) {
    for (int element = 0; element < kLaneElements; ++element) {
      const FragmentPlace place(lane, element);
      ++seen[place.k * kTensorColumns + place.column];
      // PTX: b0 and b1 of the mma with column n = lane / 4, whose sums 2 t and 2 t + 1 lane t gets.
      const int n = lane / 4, mma = element / 4;
      EXPECT_EQ(place.k, lane % 4 * 2 + (element % 4 >= 2 ? 8 : 0) + element % 2);
      EXPECT_EQ(place.column / 4, n / 2);
      EXPECT_EQ(place.column % 4, 2 * mma + n % 2);
    }
  }
  for (const int count : seen) EXPECT_EQ(count, 1);
}

TEST(RoundPair, HasTheFirstInTheLowerHalf) {
  EXPECT_EQ(RoundPair<Bf16>(1, -2), 0xc0003f80);
  EXPECT_EQ(RoundPair<F16>(1, -2), 0xc0003c00);
}

TEST(FloatStepLayer, ARowWhoseTokenIsNoneIsAFaultAndKeepsItsState) {
  const StackConfig config{.layers = 2, .hidden = 3, .vocabulary = 7};
  FaultWord fault = 0;
  const Stepped got = FloatStep<SmallFloatTile>(config, StackParameters(config), {7, 1, 1, 1},
                                                {3, -1, -1, -1}, &fault);
  EXPECT_EQ(KindOfFault(fault), FaultKind::kToken);
  EXPECT_EQ(ValueOfFault(fault), 7);
  EXPECT_EQ(got.pool, RandomStates(config));
}

}  // namespace
}  // namespace derin::cuda
