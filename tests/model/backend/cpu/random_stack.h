#pragma once

#include <algorithm>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "tests/model/backend/cpu/random_values.h"
#include "tests/model/backend/device_model.h"

namespace derin::cpu {

// A stack and a window of random shape, with all that goes into one pass of training.
struct RandomStack {
  explicit RandomStack(std::mt19937& random) {
    constexpr Cell kCells[] = {Cell::kVanillaTanh, Cell::kVanillaRelu, Cell::kGru, Cell::kLstm};
    config.cell = kCells[RandomInteger(0, 3, random)];
    config.layers = RandomInteger(1, 3, random);
    config.hidden = RandomInteger(1, 130, random);
    config.vocabulary = RandomInteger(2, 300, random);
    batch = RandomInteger(1, 33, random);
    steps = RandomInteger(1, 9, random);
    Fill(random);
    if (RandomInteger(0, 2, random) == 0) dropout = 0.3;
  }
  RandomStack(const StackConfig& config, int batch, int steps, std::mt19937& random)
      : config(config), batch(batch), steps(steps) {
    Fill(random);
  }

  // All but the sizes.
  void Fill(std::mt19937& random) {
    for (size_t i = 0; i < size_t(steps) * batch; ++i) {
      tokens.push_back(RandomInteger(0, config.vocabulary - 1, random));
      // Not all count, but the first.
      const bool counts = i == 0 || RandomInteger(0, 9, random) > 0;
      targets.push_back(counts ? RandomInteger(0, config.vocabulary - 1, random) : -1);
    }
    const std::vector<float> states = RandomFloats(batch * StateElements(config), random);
    state.assign(states.begin(), states.end());
    parameters = InitialValues(config, random());
    if (config.cell == Cell::kVanillaRelu) KeepAwayFromZero(random);
  }

  // relu's slope jumps at 0, where rounding would decide on the gradient: biases far from it, on
  // either side, and weights so small that they cannot get there.
  void KeepAwayFromZero(std::mt19937& random) {
    const std::vector<Slice> slices = StackSlices(config);
    for (const Slice& slice : slices) {
      const bool bias = slice.name.find("bias_ih") != std::string::npos;
      for (int64_t i = 0; i < slice.count; ++i) {
        double& value = parameters[slice.offset + i];
        value *= 0.1;
        // The first unit passes on what it gets, so that some gradient always flows.
        if (bias) value += i == 0 || RandomInteger(0, 1, random) == 0 ? 3 : -3;
      }
    }
  }

  DeviceModel::Pass Run(const Engine& engine) const {
    DeviceModel model(engine, config, steps, batch, 1, dropout);
    model.SetParameters(parameters);
    if (dropout > 0) model.SetDropout(0xfedcba9876543210, 1);
    return model.Run(tokens, targets, state);
  }

  // Everything on `engine` against the reference in f64, tensor by tensor.
  void ExpectParity(const Engine& engine, const DeviceModel::Pass& wanted) const {
    const DeviceModel::Pass got = Run(engine);
    const double tolerance = Tolerance(engine);
    EXPECT_LT(RelativeError(got.top, wanted.top), tolerance);
    EXPECT_LT(RelativeError(got.logits, wanted.logits), tolerance);
    EXPECT_LT(RelativeError(got.state_out, wanted.state_out), tolerance);
    EXPECT_NEAR(got.nats / wanted.nats, 1, tolerance);
    EXPECT_EQ(got.counted, wanted.counted);
    const ParameterLayout layout(config);
    for (const Slice& slice : layout.slices()) {
      const auto part = [&](const std::vector<double>& flat) {
        return std::vector<double>(flat.begin() + slice.offset,
                                   flat.begin() + slice.offset + slice.count);
      };
      EXPECT_LT(RelativeError(part(got.gradients), part(wanted.gradients)), tolerance)
          << slice.name;
    }
  }

  StackConfig config;
  int batch, steps;
  double dropout = 0;
  std::vector<int32_t> tokens, targets;
  std::vector<double> state, parameters;
};

inline std::ostream& operator<<(std::ostream& out, const RandomStack& stack) {
  return out << CellName(stack.config.cell) << ' ' << stack.config.layers << " x "
             << stack.config.hidden << ", vocabulary " << stack.config.vocabulary << ", batch "
             << stack.batch << ", " << stack.steps << " steps, dropout " << stack.dropout;
}

// `count` random stacks, each on every engine of the cpu backend.
inline void ExpectParityOfRandomStacks(uint32_t seed, int count) {
  std::mt19937 random(seed);
  for (int i = 0; i < count && !testing::Test::HasFailure(); ++i) {
    const RandomStack stack(random);
    const DeviceModel::Pass wanted = stack.Run({"reference", Precision::kF64});
    for (const Engine& engine : AllEngines()) {
      if (engine.backend != "cpu") continue;
      // The gradient of a few units may be a sum that cancels, of which bf16 has no digit right.
      if (engine.precision == Precision::kBf16 && stack.config.hidden < 16) continue;
      SCOPED_TRACE(testing::Message() << "seed " << seed << ", number " << i << ": " << stack
                                      << " on " << EngineName(engine));
      stack.ExpectParity(engine, wanted);
    }
  }
}

}  // namespace derin::cpu
