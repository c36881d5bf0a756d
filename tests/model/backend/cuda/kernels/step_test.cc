// The single step against the cpu backend's.

#include "model/backend/cuda/kernels/step.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "model/backend/backend_list.h"
#include "model/backend/stack_layout.h"
#include "model/network/parameters.h"
#include "model/sampling/philox.h"
#include "tests/model/backend/cuda/host_launch.h"

namespace derin::cuda {
namespace {

constexpr int kSlots = 5, kRows = 4;

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

template <Cell kCell>
Stepped StepOnHost(const StackConfig& config, const std::vector<float>& flat,
                   const std::vector<int32_t>& tokens, const std::vector<int32_t>& slots,
                   FaultWord* fault) {
  const std::vector<Slice> slices = StackSlices(config);
  std::vector<float> weights(flat.size(), NAN);
  for (const Slice& slice : slices) {
    RunOnHost(Transpose{flat.data() + slice.offset, weights.data() + slice.offset, slice.shape[0],
                        slice.shape.size() > 1 ? slice.shape[1] : 1});
  }
  Stepped stepped{RandomStates(config), std::vector<float>(kRows * config.hidden, NAN)};
  std::vector<float> states(kRows * StateElements(config), NAN);
  for (int layer = 0; layer < config.layers; ++layer) {
    const LayerSlices at(layer);
    const auto tensor = [&](int index) { return weights.data() + slices[index].offset; };
    RunOnHost(StepLayer<kCell>{tensor(at.weight_ih), tensor(at.weight_hh), tensor(at.bias_ih),
                               tensor(at.bias_hh), tokens.data(), slots.data(), stepped.pool.data(),
                               states.data(), fault, layer, config.layers, config.hidden,
                               config.vocabulary, kRows});
  }
  RunOnHost(FinishStep{states.data(), slots.data(), tokens.data(), stepped.pool.data(),
                       stepped.top.data(), kRows, StateElements(config),
                       int64_t{config.layers - 1} * StateVectors(kCell) * config.hidden,
                       config.hidden, config.vocabulary});
  return stepped;
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

template <Cell kCell>
void ExpectAsOnCpu() {
  SCOPED_TRACE(CellName(kCell));
  const StackConfig config{.cell = kCell, .layers = 3, .hidden = 19, .vocabulary = 7};
  Parameters parameters = InitialParameters(config, 5);
  parameters.values.resize(parameters.layout.stack_count());
  const std::vector<int32_t> tokens = {6, 0, 3, 2}, slots = {4, 1, -1, 2};
  FaultWord fault = 0;
  const Stepped got = StepOnHost<kCell>(config, parameters.values, tokens, slots, &fault);
  const Stepped wanted = StepOnCpu(config, parameters.values, tokens, slots);
  EXPECT_EQ(fault, 0u);
  for (size_t i = 0; i < wanted.pool.size(); ++i) EXPECT_NEAR(got.pool[i], wanted.pool[i], 1e-6);
  for (size_t i = 0; i < wanted.top.size(); ++i) {
    EXPECT_EQ(std::isnan(got.top[i]), i / config.hidden == 2) << i;
    if (i / config.hidden != 2) {
      EXPECT_NEAR(got.top[i], wanted.top[i], 1e-6);
    }
  }
}

TEST(StepLayer, StepsEveryCellAsTheCpuBackendDoes) {
  ExpectAsOnCpu<Cell::kVanillaTanh>();
  ExpectAsOnCpu<Cell::kVanillaRelu>();
  ExpectAsOnCpu<Cell::kGru>();
  ExpectAsOnCpu<Cell::kLstm>();
}

TEST(StepLayer, ARowWhoseTokenIsNoneIsAFaultAndKeepsItsState) {
  const StackConfig config{.layers = 2, .hidden = 3, .vocabulary = 7};
  Parameters parameters = InitialParameters(config, 5);
  parameters.values.resize(parameters.layout.stack_count());
  FaultWord fault = 0;
  const Stepped got =
      StepOnHost<Cell::kLstm>(config, parameters.values, {7, 1, 1, 1}, {3, -1, -1, -1}, &fault);
  EXPECT_EQ(KindOfFault(fault), FaultKind::kToken);
  EXPECT_EQ(ValueOfFault(fault), 7);
  EXPECT_EQ(got.pool, RandomStates(config));
}

}  // namespace
}  // namespace derin::cuda
