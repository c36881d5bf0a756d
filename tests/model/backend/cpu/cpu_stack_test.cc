// Who computes, and how much at once, changes no bit of a stack's results.

#include "model/backend/cpu/cpu_stack.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "tests/model/backend/cpu/random_values.h"
#include "tests/model/backend/device_model.h"

namespace derin::cpu {
namespace {

constexpr Cell kCells[] = {Cell::kVanillaTanh, Cell::kVanillaRelu, Cell::kGru, Cell::kLstm};

std::vector<double> RandomStates(size_t count, std::mt19937& random) {
  const std::vector<float> values = RandomFloats(count, random, -0.5, 0.5);
  return {values.begin(), values.end()};
}

std::vector<int32_t> RandomTokens(size_t count, int vocabulary, std::mt19937& random) {
  std::vector<int32_t> tokens(count);
  for (int32_t& token : tokens) token = RandomInteger(0, vocabulary - 1, random);
  return tokens;
}

struct StackCase {
  Cell cell;
  Precision precision;
  // Of bf16, where each has bits of its own.
  InstructionSet instructions = InstructionSet::kAvx2;
};

// In f32 all instruction sets, in bf16 the case's own; each with 1, 2 and 3 threads.
std::vector<Engine> EnginesOf(const StackCase& of) {
  std::vector<Engine> engines;
  for (const InstructionSet set : SupportedInstructionSets()) {
    if (of.precision == Precision::kBf16 && set != of.instructions) continue;
    for (const int threads : {1, 2, 3}) engines.push_back({"cpu", of.precision, set, threads});
  }
  return engines;
}

class CpuStackTest : public testing::TestWithParam<StackCase> {
 protected:
  void SetUp() override {
    engines_ = EnginesOf(GetParam());
    if (engines_.empty()) GTEST_SKIP() << "this processor has no such products of bfloat16";
  }
  StackConfig Config(int layers, int hidden, int vocabulary) const {
    return {.cell = GetParam().cell, .layers = layers, .hidden = hidden, .vocabulary = vocabulary};
  }

  std::vector<Engine> engines_;  // the first is what the others are compared with
};

struct Trained {
  std::vector<double> top, logits, state, gradients, parameters;
  double nats;
};

// Some steps of training as the trainer takes them, from the same start on every engine.
Trained Train(const Engine& engine, const StackConfig& config, int steps, int batch, int updates,
              double dropout = 0) {
  std::mt19937 random(config.hidden);
  DeviceModel model(engine, config, steps, batch, 1, dropout);
  model.SetParameters(InitialValues(model.config(), 3));
  std::vector<double> state = RandomStates(batch * StateElements(config), random);
  DeviceModel::Pass pass;
  for (int update = 0; update < updates; ++update) {
    const auto tokens = RandomTokens(size_t(steps) * batch, config.vocabulary, random),
               targets = RandomTokens(size_t(steps) * batch, config.vocabulary, random);
    if (dropout > 0) model.SetDropout(9, update);
    pass = model.Run(tokens, targets, state);
    state = pass.state_out;
    model.Update({.kind = update % 2 == 0 ? OptimizerKind::kSgd : OptimizerKind::kAdam, .clip = 1},
                 0.1);
  }
  return {pass.top, pass.logits, pass.state_out, pass.gradients, model.Read(model.parameters()),
          pass.nats};
}

void ExpectSameBits(const Trained& got, const Trained& wanted) {
  EXPECT_THAT(got.top, HasTheBitsOf(wanted.top));
  EXPECT_THAT(got.logits, HasTheBitsOf(wanted.logits));
  EXPECT_THAT(got.state, HasTheBitsOf(wanted.state));
  EXPECT_THAT(got.gradients, HasTheBitsOf(wanted.gradients));
  EXPECT_THAT(got.parameters, HasTheBitsOf(wanted.parameters));
  EXPECT_EQ(got.nats, wanted.nats);
}

TEST_P(CpuStackTest, TrainingHasTheSameBitsWithEveryInstructionSetAndNumberOfThreads) {
  struct Shape {
    int layers, hidden, batch;
  };
  for (const auto& [layers, hidden, batch] :
       {Shape{1, 1, 1}, Shape{3, 7, 5}, Shape{2, 33, 4}, Shape{2, 64, 51}, Shape{1, 130, 7}}) {
    const StackConfig config = Config(layers, hidden, 13);
    const Trained wanted = Train(engines_.front(), config, 5, batch, 3);
    for (const Engine& engine : engines_) {
      SCOPED_TRACE(EngineName(engine) + ", " + std::to_string(layers) + " x " +
                   std::to_string(hidden) + ", batch " + std::to_string(batch));
      ExpectSameBits(Train(engine, config, 5, batch, 3), wanted);
    }
  }
}

TEST_P(CpuStackTest, MoreRowsThanAPieceOfAWeightGradientHaveTheSameBitsToo) {
  const StackConfig config = Config(2, 17, 5);
  const Trained wanted = Train(engines_.front(), config, 71, 31, 1);
  for (const Engine& engine : engines_) {
    SCOPED_TRACE(EngineName(engine));
    ExpectSameBits(Train(engine, config, 71, 31, 1), wanted);
  }
}

TEST_P(CpuStackTest, DropoutHasTheSameBitsWithEveryInstructionSetAndNumberOfThreads) {
  const StackConfig config = Config(3, 37, 13);
  const Trained wanted = Train(engines_.front(), config, 5, 7, 2, 0.3);
  for (const Engine& engine : engines_) {
    SCOPED_TRACE(EngineName(engine));
    ExpectSameBits(Train(engine, config, 5, 7, 2, 0.3), wanted);
  }
}

// With work enough for training to be done in several parts.
TEST_P(CpuStackTest, LargeLayersHaveTheSameBitsToo) {
  const StackConfig config = Config(2, 200, 28);
  const Trained wanted = Train(engines_.front(), config, 12, 32, 1);
  // Every second one has all sets and all numbers of threads.
  for (size_t i = 1; i < engines_.size(); i += 2) {
    SCOPED_TRACE(EngineName(engines_[i]));
    ExpectSameBits(Train(engines_[i], config, 12, 32, 1), wanted);
  }
}

struct Stepped {
  std::vector<double> pool, top;
};

Stepped Step(DeviceModel& model, const std::vector<double>& states,
             const std::vector<int32_t>& tokens, const std::vector<int32_t>& slots) {
  Buffer pool = model.Reals(states.size()),
         top = model.Reals(tokens.size() * model.config().hidden);
  model.Write(pool.view(), states);
  Buffer ids = model.Integers(tokens), at = model.Integers(slots);
  model.stack().Step(model.queue(), ids.view(), at.view(), pool.view(), top.view());
  return {model.Read(pool.view()), model.Read(top.view())};
}

TEST_P(CpuStackTest, AStepHasTheSameBitsWithEveryInstructionSetNumberOfThreadsAndBatch) {
  constexpr int kMost = 67, kVocabulary = 9;
  for (const int hidden : {7, 70}) {
    std::mt19937 random(hidden);
    const StackConfig config = Config(2, hidden, kVocabulary);
    const int64_t slot = StateElements(config);
    const std::vector<double> states = RandomStates((kMost + 1) * slot, random);
    const std::vector<int32_t> tokens = RandomTokens(kMost, kVocabulary, random);
    std::vector<int32_t> slots(kMost);
    for (int i = 0; i < kMost; ++i) slots[i] = kMost - i;
    Stepped wanted;  // of all rows, each alone
    for (const Engine& engine : engines_) {
      SCOPED_TRACE(EngineName(engine) + ", " + std::to_string(hidden));
      DeviceModel model(engine, config, 1, 1, kMost);
      model.SetParameters(InitialValues(model.config(), 5));
      if (wanted.top.empty()) {
        wanted.pool = states;
        for (int i = 0; i < kMost; ++i) {
          const Stepped one = Step(model, wanted.pool, {tokens[i]}, {slots[i]});
          wanted.pool = one.pool;
          wanted.top.insert(wanted.top.end(), one.top.begin(), one.top.end());
        }
      }
      for (int rows = 1; rows <= kMost; rows += rows < 20 ? 1 : 5) {
        const Stepped got = Step(model, states, {tokens.begin(), tokens.begin() + rows},
                                 {slots.begin(), slots.begin() + rows});
        ASSERT_THAT(got.top, HasTheBitsOf(std::vector<double>(wanted.top.begin(),
                                                              wanted.top.begin() + rows * hidden)))
            << rows << " rows";
        std::vector<double> pool = states;
        for (int i = 0; i < rows; ++i) {
          const int64_t at = slots[i] * slot;
          std::copy_n(wanted.pool.begin() + at, slot, pool.begin() + at);
        }
        ASSERT_THAT(got.pool, HasTheBitsOf(pool)) << rows << " rows";
      }
    }
  }
}

TEST_P(CpuStackTest, StepsOfARunHaveTheBitsOfThoseSteps) {
  constexpr int kMost = 13, kSlots = 20;
  std::mt19937 random(8);
  const StackConfig config = Config(2, 37, 11);
  const auto states = RandomStates(kSlots * StateElements(config), random);
  std::vector<int32_t> all_slots(kSlots);
  std::iota(all_slots.begin(), all_slots.end(), 0);
  for (const Engine& engine : engines_) {
    SCOPED_TRACE(EngineName(engine));
    DeviceModel single(engine, config, 1, 1, kMost), run(engine, config, 1, 1, kMost);
    for (DeviceModel* model : {&single, &run}) model->SetParameters(InitialValues(config, 3));
    std::vector<double> pool = states;
    Buffer in_run = run.Reals(pool.size());
    run.Write(in_run.view(), pool);
    // So many that both ways of a step are tried.
    for (int i = 0; i < 20; ++i) {
      const int steps = 1 + i % 5, rows = i < 10 ? kMost : RandomInteger(1, kMost, random);
      std::shuffle(all_slots.begin(), all_slots.end(), random);
      const std::vector<int32_t> slots(all_slots.begin(), all_slots.begin() + rows);
      Buffer at = run.Integers(slots), top = run.Reals(rows * config.hidden);
      for (int step = 0; step < steps; ++step) {
        const auto tokens = RandomTokens(rows, config.vocabulary, random);
        const Stepped wanted = Step(single, pool, tokens, slots);
        pool = wanted.pool;
        Buffer ids = run.Integers(tokens);
        run.stack().Step(run.queue(), ids.view(), at.view(), in_run.view(), top.view(),
                         {.first = step == 0, .last = step + 1 == steps});
        ASSERT_THAT(run.Read(top.view()), HasTheBitsOf(wanted.top));
      }
      ASSERT_THAT(run.Read(in_run.view()), HasTheBitsOf(pool));
    }
  }
}

TEST_P(CpuStackTest, ARunThatOverflowsLeavesNothingToTheNextOne) {
  const StackConfig config = Config(2, 37, 11);
  const std::vector<double> states(StateElements(config), 0.1),
      overflowing(StateElements(config), 3e38);
  for (const Engine& engine : engines_) {
    SCOPED_TRACE(EngineName(engine));
    DeviceModel model(engine, config, 1, 1, 1);
    model.SetParameters(InitialValues(config, 3));
    const Stepped wanted = Step(model, states, {1}, {0});
    Buffer pool = model.Reals(states.size()), top = model.Reals(config.hidden),
           ids = model.Integers({1}), at = model.Integers({0});
    model.Write(pool.view(), overflowing);
    for (int step = 0; step < 4; ++step) {
      model.stack().Step(model.queue(), ids.view(), at.view(), pool.view(), top.view(),
                         {.first = step == 0, .last = step == 3});
    }
    EXPECT_THAT(Step(model, states, {1}, {0}).pool, HasTheBitsOf(wanted.pool));
  }
}

TEST_P(CpuStackTest, StepByStepHasTheBitsOfTheWholeSequence) {
  constexpr int kSteps = 7, kBatch = 5;
  for (const int hidden : {16, 70}) {
    std::mt19937 random(hidden);
    const StackConfig config = Config(3, hidden, 11);
    DeviceModel model(engines_.back(), config, kSteps, kBatch, kBatch);
    model.SetParameters(InitialValues(model.config(), 3));
    const auto tokens = RandomTokens(kSteps * kBatch, 11, random);
    const auto whole =
        model.Run(tokens, tokens, std::vector<double>(kBatch * StateElements(config)));
    std::vector<double> pool(kBatch * StateElements(config), 0), top;
    for (int t = 0; t < kSteps; ++t) {
      const Stepped stepped =
          Step(model, pool, {tokens.begin() + t * kBatch, tokens.begin() + (t + 1) * kBatch},
               {4, 2, 0, 1, 3});
      pool = stepped.pool;
      top.insert(top.end(), stepped.top.begin(), stepped.top.end());
    }
    EXPECT_THAT(top, HasTheBitsOf(whole.top));
  }
}

// bf16 pairs rows, so that one is added to an odd batch.
TEST_P(CpuStackTest, AnOddBatchHasTheBitsOfAnEvenOneWhoseLastSequenceDoesNotCount) {
  constexpr int kSteps = 4, kBatch = 5;
  std::mt19937 random(1);
  const StackConfig config = Config(2, 33, 11);
  const int64_t state_count = StateElements(config) / config.hidden;
  const auto tokens = RandomTokens(kSteps * (kBatch + 1), 11, random);
  const auto states = RandomStates((kBatch + 1) * StateElements(config), random);
  // Of rows of [rows, kBatch + 1, width] those of the first kBatch sequences.
  const auto without_last = [](const auto& all, int64_t rows, int64_t width) {
    std::remove_cvref_t<decltype(all)> some;
    for (int64_t row = 0; row < rows; ++row) {
      const auto begin = all.begin() + row * (kBatch + 1) * width;
      some.insert(some.end(), begin, begin + kBatch * width);
    }
    return some;
  };
  std::vector<int32_t> targets = tokens;
  for (int t = 0; t < kSteps; ++t) targets[t * (kBatch + 1) + kBatch] = -1;

  DeviceModel even(engines_.back(), config, kSteps, kBatch + 1),
      odd(engines_.back(), config, kSteps, kBatch);
  even.SetParameters(InitialValues(even.config(), 3));
  odd.SetParameters(InitialValues(odd.config(), 3));
  const auto wanted = even.Run(tokens, targets, states);
  const auto got = odd.Run(without_last(tokens, kSteps, 1), without_last(targets, kSteps, 1),
                           without_last(states, state_count, config.hidden));
  EXPECT_THAT(got.top, HasTheBitsOf(without_last(wanted.top, kSteps, config.hidden)));
  EXPECT_THAT(got.state_out,
              HasTheBitsOf(without_last(wanted.state_out, state_count, config.hidden)));
  EXPECT_THAT(got.gradients, HasTheBitsOf(wanted.gradients));
  EXPECT_EQ(got.nats, wanted.nats);
}

TEST_P(CpuStackTest, ASmallerWindowThanPlannedLeavesNothingBehindForTheNext) {
  std::mt19937 random(1);
  const StackConfig config = Config(2, 19, 11);
  DeviceModel roomy(engines_.back(), config, 9, 12);
  roomy.SetParameters(InitialValues(roomy.config(), 3));
  struct Window {
    int steps, batch;
  };
  // Down, up and down again.
  for (const auto& [steps, batch] : {Window{9, 12}, Window{2, 3}, Window{8, 11}, Window{1, 1}}) {
    SCOPED_TRACE(testing::Message() << steps << " steps of " << batch);
    const auto tokens = RandomTokens(size_t(steps) * batch, 11, random);
    const auto state = RandomStates(batch * StateElements(config), random),
               d_top = RandomStates(size_t(steps) * batch * config.hidden, random);
    struct Result {
      std::vector<double> top, state, gradients;
    };
    const auto run = [&](DeviceModel& model) {
      Buffer ids = model.Integers(tokens), in = model.Reals(state.size()),
             out = model.Reals(state.size()), top = model.Reals(d_top.size()),
             gradient = model.Reals(d_top.size());
      Buffer gradients = model.Reals(model.layout().stack_count());
      model.Write(in.view(), state);
      model.Write(gradient.view(), d_top);
      model.stack().Forward(model.queue(), ForwardMode::kTraining, steps, batch, ids.view(),
                            in.view(), out.view(), top.view());
      model.stack().Backward(model.queue(), gradient.view(), View{}, gradients.view());
      EXPECT_THAT(model.Read(gradient.view()), HasTheBitsOf(d_top)) << "d_top was changed";
      return Result{model.Read(top.view()), model.Read(out.view()), model.Read(gradients.view())};
    };
    DeviceModel exact(engines_.back(), config, steps, batch);
    exact.SetParameters(InitialValues(exact.config(), 3));
    const Result got = run(roomy), wanted = run(exact);
    EXPECT_THAT(got.top, HasTheBitsOf(wanted.top));
    EXPECT_THAT(got.state, HasTheBitsOf(wanted.state));
    EXPECT_THAT(got.gradients, HasTheBitsOf(wanted.gradients));
  }
}

TEST_P(CpuStackTest, OnAQueueThatFailedNothingIsTouched) {
  const StackConfig config = Config(2, 9, 5);
  DeviceModel model(engines_.back(), config, 2, 3, 3);
  const std::vector<double> start = InitialValues(model.config(), 3);
  model.SetParameters(start);
  const size_t states = 3 * StateElements(config), tops = size_t(2) * 3 * config.hidden;
  Buffer tokens = model.Integers({0, 1, 2, 3, 4, 0}), slots = model.Integers({0, 1, 2}),
         bad = model.Integers({5, 0, 0, 0, 0, 0});
  Buffer pool = model.Reals(states, 0.5), in = model.Reals(states, 0.5),
         out = model.Reals(states, 7), top = model.Reals(tops, 7), d_top = model.Reals(tops, 7),
         gradients = model.Reals(model.layout().count(), 7);
  Buffer loss = *model.backend().Allocate(ElementType::kF64, 2);
  const HeadViews head = model.Head(model.parameters());

  model.backend().ProjectAndLoss(model.queue(), top.view(), head, bad.view(), loss.view(),
                                 d_top.view(), model.Head(gradients.view()));
  ASSERT_FALSE(model.queue().Finish().ok());
  model.stack().Step(model.queue(), tokens.view().Slice(0, 3), slots.view(), pool.view(),
                     top.view());
  model.stack().Forward(model.queue(), ForwardMode::kTraining, 2, 3, tokens.view(), in.view(),
                        out.view(), top.view());
  model.stack().Backward(model.queue(), d_top.view(), View{},
                         gradients.view().Slice(0, model.layout().stack_count()));
  model.backend().Logits(model.queue(), top.view(), head, d_top.view());

  // The queue has nothing to say any more, but the memory is the host's.
  const auto all = [](const Buffer& buffer, float value) {
    const View& view = buffer.view();
    return std::all_of(view.As<float>(), view.As<float>() + view.count,
                       [&](float one) { return one == value; });
  };
  EXPECT_TRUE(all(pool, 0.5));
  EXPECT_TRUE(all(in, 0.5));
  EXPECT_TRUE(all(out, 7));
  EXPECT_TRUE(all(top, 7));
  EXPECT_TRUE(all(d_top, 7));
  EXPECT_TRUE(all(gradients, 7));
  EXPECT_THAT(std::vector<double>(loss.view().As<double>(), loss.view().As<double>() + 2),
              testing::Each(0));
}

std::vector<StackCase> AllStackCases() {
  std::vector<StackCase> cases;
  for (const Cell cell : kCells) {
    cases.push_back({cell, Precision::kF32});
    for (const InstructionSet set : {InstructionSet::kAvx512Bf16, InstructionSet::kAmxBf16}) {
      cases.push_back({cell, Precision::kBf16, set});
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Cells, CpuStackTest, testing::ValuesIn(AllStackCases()),
                         [](const auto& info) {
                           std::string name(CellName(info.param.cell));
                           name += "_" + std::string(PrecisionName(info.param.precision));
                           if (info.param.precision == Precision::kBf16) {
                             name += "_" + std::string(InstructionSetName(info.param.instructions));
                           }
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace derin::cpu
