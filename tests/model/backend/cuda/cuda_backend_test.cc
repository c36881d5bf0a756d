// What the backend promises beyond the suite of every backend: its choice of algorithm, the loss
// scale of f16, and what becomes of a GPU that is full or lost.

#include "model/backend/cuda/cuda_backend.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <vector>

#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/network/hidden_state_pool.h"
#include "model/network/language_model.h"
#include "model/training/trainer.h"
#include "tests/model/backend/cuda/fake_gpu.h"
#include "tests/model/backend/device_model.h"
#include "tests/temporary_folder.h"

namespace derin::cuda {
namespace {

using testing::HasSubstr;

class CudaBackendTest : public testing::Test {
 protected:
  static constexpr StackExtent kTraining{.steps = 2, .batch = 2, .training = true};

  // How many windows went forward while a stack was made.
  int Windows(Backend& backend, const StackConfig& config, std::string_view saved,
              std::string* choice) {
    gpu_.ClearLog();
    auto stack = *backend.NewStack(config, kTraining, saved);
    *choice = std::string(stack->choice());
    return static_cast<int>(std::count(gpu_.log().begin(), gpu_.log().end(), "cudnnRNNForward"));
  }

  FakeGpu gpu_{};
  std::unique_ptr<Backend> backend_ = *NewCudaBackend(FakeGpu::calls(), 0);
  const StackConfig config_{
      .layers = 1, .hidden = 4, .vocabulary = 3, .precision = Precision::kF16};
};

TEST_F(CudaBackendTest, TakesTheQuickestAlgorithmAndMeasuresOnceForEachSize) {
  gpu_.milliseconds_of[CUDNN_RNN_ALGO_PERSIST_STATIC] = 0.5;
  std::string choice;
  EXPECT_GT(Windows(*backend_, config_, "", &choice), 0);
  EXPECT_EQ(choice, "persist-static");
  gpu_.milliseconds_of[CUDNN_RNN_ALGO_STANDARD] = 0.1;
  EXPECT_EQ(Windows(*backend_, config_, "", &choice), 0);
  EXPECT_EQ(choice, "persist-static");
  StackConfig larger = config_;
  larger.hidden = 5;
  EXPECT_GT(Windows(*backend_, larger, "", &choice), 0);
  EXPECT_EQ(choice, "standard");
}

TEST_F(CudaBackendTest, WhatAProcessMeasuredIsKnownToTheNextBackend) {
  const TemporaryFolder folder;
  const std::filesystem::path program = folder.path() / "program";
  const AlgorithmOptions options{.timing_program = program, .known_file = folder.path() / "known"};
  std::string choice;
  const auto make = [&](const char* script) {
    std::ofstream(program) << "#!/bin/sh\n" << script;
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    return *NewCudaBackend(FakeGpu::calls(), 0, options);
  };
  // Standard, persist-static, small-h, own-kernels, step-products.
  EXPECT_EQ(
      Windows(*make("echo ok 3; echo ok 3; echo ok 1; echo ok 2; echo ok 2"), config_, "", &choice),
      0);
  EXPECT_EQ(choice, "small-h");
  EXPECT_EQ(Windows(*make("exit 1"), config_, "", &choice), 0);
  EXPECT_EQ(choice, "small-h");
  StackConfig larger = config_;
  larger.hidden = 5;
  EXPECT_GT(Windows(*make("exit 1"), larger, "", &choice), 0) << "must be timed by somebody";
  // Where one had no memory, the others are no measurement that lasts.
  larger.hidden = 6;
  const char* full = "echo error 8 full; echo ok 3; echo ok 4; echo ok 5; echo ok 5";
  Windows(*make(full), larger, "", &choice);
  EXPECT_EQ(choice, "persist-static");
  Windows(*make("echo ok 1; echo ok 3; echo ok 4; echo ok 5; echo ok 5"), larger, "", &choice);
  EXPECT_EQ(choice, "standard");
}

TEST_F(CudaBackendTest, WhatCannotBeTimedForLackOfMemoryIsUsedAndMeasuredAnotherTime) {
  gpu_.milliseconds_of[CUDNN_RNN_ALGO_PERSIST_STATIC] = 0.5;
  const StackPlan plan = backend_->Plan(config_, kTraining);
  // For a stack and its table of weights, but not for what is timed around one.
  const int64_t enough = plan.weight_bytes + plan.workspace_bytes + plan.reserve_bytes + 512;
  const size_t all = std::exchange(gpu_.total_bytes, gpu_.used_bytes() + enough);
  std::string choice;
  EXPECT_EQ(Windows(*backend_, config_, "", &choice), 0);
  EXPECT_EQ(choice, "standard");
  gpu_.total_bytes = all;
  Windows(*backend_, config_, "", &choice);
  EXPECT_EQ(choice, "persist-static");
}

TEST_F(CudaBackendTest, ASavedChoiceIsTakenAgainWithoutMeasuring) {
  std::string choice;
  EXPECT_EQ(Windows(*backend_, config_, "small-h", &choice), 0);
  EXPECT_EQ(choice, "small-h");
  // One that this type has not got, and one of another engine.
  StackConfig bf16 = config_;
  bf16.precision = Precision::kBf16;
  EXPECT_GT(Windows(*backend_, bf16, "persist-static", &choice), 0);
  EXPECT_EQ(choice, "standard");
  EXPECT_GT(Windows(*backend_, config_, "of-another-engine", &choice), 0);
  EXPECT_EQ(choice, "standard");
}

TEST_F(CudaBackendTest, OwnKernelsAreTakenWhereTheyAreQuicker) {
  gpu_.milliseconds_of_own = 0.5;
  std::string choice;
  Windows(*backend_, config_, "", &choice);
  EXPECT_EQ(choice, "own-kernels");
  StackConfig odd = config_;  // which the own kernels do not serve
  odd.hidden = 5;
  gpu_.milliseconds_of_own = 0.1;
  Windows(*backend_, odd, "", &choice);
  EXPECT_EQ(choice, "step-products");
}

TEST_F(CudaBackendTest, AnAlgorithmThatFailsIsOutAndTheBackendGoesOn) {
  gpu_.milliseconds_of[CUDNN_RNN_ALGO_PERSIST_STATIC] = 0.5;
  gpu_.FailNext("cudnnRNNForward",
                CUDNN_STATUS_EXECUTION_FAILED);  // of the first, the standard one
  std::string choice;
  Windows(*backend_, config_, "", &choice);
  EXPECT_EQ(choice, "persist-static");
  EXPECT_EQ(backend_->NewStack(config_, {.step_rows = 1}).value()->choice(), "");
}

TEST_F(CudaBackendTest, AnAllocationThatFailsIsNotTheEndOfAllocations) {
  gpu_.FailNext("cudaMemsetAsync", cudaErrorMemoryAllocation);
  EXPECT_TRUE(absl::IsResourceExhausted(
      backend_->Allocate(ElementType::kF32, 1000, Memory::kDevice).status()));
  EXPECT_TRUE(backend_->Allocate(ElementType::kF32, 1000, Memory::kDevice).ok());
  EXPECT_TRUE(backend_->NewStack(config_, {.step_rows = 1}).ok());
}

// On the GPU of the suite: DeviceModel makes its own backend.
TEST(LossScale, ScalesTheWayBackSoThatSmallGradientsAreNotLost) {
  DeviceModel model({"cuda", Precision::kF16}, {.layers = 1, .hidden = 2, .vocabulary = 3}, 1, 1);
  model.SetParameters(InitialValues(model.config(), 3));
  // Gradients that half precision would round to zero.
  const std::vector<double> d_top = {1e-9, -1e-9};
  const auto gradients = [&](double scale) {
    Buffer top = model.Reals(2), in = model.Reals(4, 0.5), out = model.Reals(4),
           back = model.Reals(2);
    Buffer flat = model.Reals(StackSlices(model.config()).back().offset + 8);
    Buffer tokens = model.Integers({1});
    const double state[] = {scale, 0};
    model.backend().Upload(model.queue(), state, model.loss_scale());
    model.Write(back.view(), d_top);
    model.stack().Forward(model.queue(), ForwardMode::kTraining, 1, 1, tokens.view(), in.view(),
                          out.view(), top.view());
    model.stack().Backward(model.queue(), back.view(), model.loss_scale(), flat.view());
    double sum = 0;
    for (const double gradient : model.Read(flat.view())) sum += std::abs(gradient);
    return sum;
  };
  EXPECT_EQ(gradients(1), 0);
  const double scaled = gradients(65536);
  EXPECT_GT(scaled, 1e-10);
  EXPECT_LT(scaled, 1e-7);
}

class HalfTraining : public CudaBackendTest {
 protected:
  std::unique_ptr<Trainer> NewTrainer(Backend& backend, double peak = 2) {
    std::vector<int32_t> tokens;
    for (int i = 0; i < 400; ++i) tokens.push_back(1 + i % 3);
    const TrainingConfig config{
        .model = {.layers = 2, .hidden = 8, .vocabulary = 4, .precision = Precision::kF16},
        .learning_rate = {.peak = peak},
        .batch = 4,
        .steps = 5,
        .epochs = 4,
        .seed = 3};
    return *Trainer::Create(backend, config, tokens, InitialParameters(config.model, config.seed));
  }
};

TEST_F(HalfTraining, AGradientThatOverflowsIsSkippedAndTheScaleFalls) {
  auto trainer = NewTrainer(*backend_);
  TrainerSnapshot start = *trainer->Snapshot();
  EXPECT_THAT(start.loss_scale, testing::ElementsAre(65536, 0));
  // So large that no gradient fits.
  start.loss_scale = {1 << 24, 1999};
  ASSERT_TRUE(trainer->Restore(start).ok());
  int64_t done = 0;
  TrainerSnapshot now;
  while (done == 0) {
    ASSERT_TRUE(trainer->Step().ok());
    now = *trainer->Snapshot();
    done = now.optimizer_step;
    if (done == 0) {
      EXPECT_EQ(now.parameters, start.parameters);
      EXPECT_EQ(now.loss_scale[0], 0x1p24f * std::pow(0.5f, static_cast<float>(now.step)));
    }
    ASSERT_LT(now.step, 20);
  }
  EXPECT_GT(now.step, 1);
  EXPECT_EQ(now.loss_scale[1], 1);
  EXPECT_NE(now.parameters, start.parameters);
  EXPECT_EQ(trainer->progress().step, now.step) << "a skipped step is one as well";
}

TEST_F(HalfTraining, GoesOnBitForBitWithTheScaleAndTheChoiceOfACheckpoint) {
  gpu_.milliseconds_of[CUDNN_RNN_ALGO_PERSIST_STATIC] = 0.5;
  auto whole = NewTrainer(*backend_);
  EXPECT_EQ(whole->choice(), "persist-static");
  for (int step = 0; step < 30; ++step) ASSERT_TRUE(whole->Step().ok());
  const TrainerSnapshot middle = *whole->Snapshot();
  EXPECT_EQ(middle.choice, "persist-static");
  while (!whole->done()) ASSERT_TRUE(whole->Step().ok());
  const TrainerSnapshot end = *whole->Snapshot();

  // Another process, which would choose otherwise.
  gpu_.milliseconds_of[CUDNN_RNN_ALGO_PERSIST_STATIC] = 2;
  const auto another = *NewCudaBackend(FakeGpu::calls(), 0);
  auto resumed = NewTrainer(*another);
  EXPECT_EQ(resumed->choice(), "standard");
  ASSERT_TRUE(resumed->Restore(middle).ok());
  EXPECT_EQ(resumed->choice(), "persist-static");
  while (!resumed->done()) ASSERT_TRUE(resumed->Step().ok());
  EXPECT_EQ(resumed->Snapshot()->parameters, end.parameters);
  EXPECT_EQ(resumed->Snapshot()->loss_scale, end.loss_scale);
  EXPECT_LT(*resumed->progress().epoch_perplexity, 3.5) << "it did not learn";
}

TEST_F(HalfTraining, ALossThatIsNotFiniteIsADivergenceAndNoOverflow) {
  auto trainer = NewTrainer(*backend_, 1e30);
  absl::Status status;
  while (status.ok() && !trainer->done()) status = trainer->Step();
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
}

TEST_F(HalfTraining, ThatIsGivenUpWaitsForItsStepsBeforeTheirMemoryGoes) {
  auto trainer = NewTrainer(*backend_);
  for (int step = 0; step < 3; ++step) ASSERT_TRUE(trainer->Step().ok());
  gpu_.ClearLog();
  trainer.reset();
  const std::vector<std::string>& log = gpu_.log();
  const auto waits = std::find(log.begin(), log.end(), "cudaStreamSynchronize");
  const auto frees = std::find_if(log.begin(), log.end(),
                                  [](const auto& one) { return one.starts_with("cudaFree"); });
  EXPECT_NE(frees, log.end());
  EXPECT_LT(waits, frees);
}

TEST_F(HalfTraining, AScaleOutOfBoundsIsNoneOfASnapshot) {
  auto trainer = NewTrainer(*backend_);
  TrainerSnapshot snapshot = *trainer->Snapshot();
  for (const std::vector<float>& scale :
       {std::vector<float>{}, {0.5f, 0}, {0x1p25f, 0}, {NAN, 0}, {64, -1}, {64, 2000}}) {
    snapshot.loss_scale = scale;
    const absl::Status status = trainer->Restore(snapshot);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr("loss_scale"));
  }
}

TEST_F(CudaBackendTest, SaysWhatTheGpuIs) {
  EXPECT_EQ(backend_->capabilities().backend, "cuda");
  EXPECT_EQ(backend_->capabilities().device, "Fake H100");
  EXPECT_EQ(backend_->capabilities().memory_bytes, int64_t{80} << 30);
  EXPECT_THAT(backend_->EngineId(Precision::kF32), HasSubstr("cuda/sm_90/f32/"));
}

TEST_F(CudaBackendTest, TheStateOfATrainingIsCopiedByAKernelAndMuchByTheEngine) {
  auto queue = *backend_->NewQueue(QueuePriority::kTraining);
  const size_t state = 32 * StateElements({.layers = 3, .hidden = 512}), much = size_t{2} << 20;
  Buffer from = *backend_->Allocate(ElementType::kF32, much),
         to = *backend_->Allocate(ElementType::kF32, much);
  for (const auto& [count, call] : {std::pair(state, "CopyBytes"), std::pair(much, "copy")}) {
    from.view().As<float>()[count - 1] = 7;
    gpu_.ClearLog();
    backend_->Copy(*queue, from.view().Slice(0, count), to.view().Slice(0, count));
    EXPECT_EQ(gpu_.log().back(), call);
    EXPECT_EQ(to.view().As<float>()[count - 1], 7);
  }
}

TEST_F(CudaBackendTest, AStackThatCannotFitIsRefusedWithBothNumbers) {
  const StackConfig config{.layers = 2, .hidden = 64, .vocabulary = 10};
  const StackExtent extent{.steps = 35, .batch = 32, .training = true};
  const StackPlan plan = backend_->Plan(config, extent);
  gpu_.total_bytes = gpu_.used_bytes() + 1000;
  EXPECT_EQ(backend_->NewStack(config, extent).status(),
            absl::ResourceExhaustedError(
                absl::StrFormat("wanted %d bytes of the GPU's memory, 1000 are free",
                                plan.weight_bytes + plan.workspace_bytes + plan.reserve_bytes)));
}

TEST_F(CudaBackendTest, AModelTakesThePlannedBytes) {
  const StackConfig few{.layers = 2, .hidden = 4, .vocabulary = 5},
      many{.layers = 1, .hidden = 4, .vocabulary = kMostOneHotTokens + 1, .embedding = 2};
  for (const StackConfig& config : {few, many}) {
    auto queue = *backend_->NewQueue(QueuePriority::kGeneration);
    auto pool = *HiddenStatePool::Create(*backend_, ElementType::kF32, StateElements(config), 2);
    const size_t before = gpu_.used_bytes();
    auto model = *LanguageModel::Create(*backend_, config, InitialParameters(config, 1), 3);
    const LanguageModel::Row row{.token = 1, .slot = 1};
    int32_t next;
    ASSERT_TRUE(model->Step(*queue, *pool, {&row, 1}, {&next, 1}).ok());
    EXPECT_EQ(gpu_.used_bytes() - before, LanguageModel::DeviceBytes(*backend_, config, 3));
  }
}

TEST_F(CudaBackendTest, TheStepsOfATrainingTakeThePlannedScratch) {
  const StackConfig plain{.layers = 1, .hidden = 4, .vocabulary = 5},
      tied{.layers = 1, .hidden = 64, .vocabulary = 500, .embedding = 64, .tied_head = true};
  for (const StackConfig& model : {plain, tied}) {
    const TrainingConfig config{.model = model, .batch = 2, .steps = 3, .epochs = 1};
    auto trainer = *Trainer::Create(*backend_, config, std::vector<int32_t>(50, 1),
                                    InitialParameters(model, 1));
    const size_t before = gpu_.used_bytes();
    for (int step = 0; step < 3; ++step) ASSERT_TRUE(trainer->Step().ok());
    const StackPlan plan = backend_->Plan(model, {.steps = 3, .batch = 2, .training = true});
    // Its queue is there from the beginning, with a room for products.
    EXPECT_EQ(gpu_.used_bytes() - before, plan.scratch_bytes - (int64_t{32} << 20));
  }
}

TEST_F(CudaBackendTest, AStepThatCannotSampleForLackOfMemoryLeavesTheStatesAsTheyWere) {
  const StackConfig config{
      .layers = 1, .hidden = 4, .vocabulary = kMostOneHotTokens + 1, .embedding = 2};
  auto model = *LanguageModel::Create(*backend_, config, InitialParameters(config, 1), 2);
  auto pool = *HiddenStatePool::Create(*backend_, ElementType::kF32, StateElements(config), 2);
  auto queue = *backend_->NewQueue(QueuePriority::kGeneration);
  const View states = pool->view();
  const auto read = [&] {
    return std::vector(states.As<float>(), states.As<float>() + states.count);
  };
  const std::vector<float> before = read();
  const LanguageModel::Row rows[] = {{.token = 1, .slot = 1}, {.token = 2, .slot = 2}};
  int32_t next[2];
  gpu_.total_bytes = gpu_.used_bytes();
  EXPECT_EQ(model->Step(*queue, *pool, rows, absl::MakeSpan(next)).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(read(), before);

  gpu_.total_bytes *= 2;
  queue = *backend_->NewQueue(QueuePriority::kGeneration);
  ASSERT_TRUE(model->Step(*queue, *pool, absl::MakeSpan(rows, 1), absl::MakeSpan(next, 1)).ok());
  gpu_.total_bytes = gpu_.used_bytes();
  EXPECT_TRUE(model->Step(*queue, *pool, rows, absl::MakeSpan(next)).ok()) << "has room for both";
}

TEST_F(CudaBackendTest, IsWellUntilTheGpuIsLost) {
  absl::Status told;
  backend_->OnLost([&](const absl::Status& status) { told = status; });
  auto queue = *backend_->NewQueue(QueuePriority::kTraining);
  EXPECT_TRUE(backend_->health().ok());
  gpu_.FailNext("cudaEventSynchronize", cudaErrorIllegalAddress);
  const absl::Status failed = queue->Finish();
  EXPECT_EQ(failed, backend_->health());
  EXPECT_EQ(backend_->health().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(backend_->health().message()), HasSubstr("cudaEventSynchronize"));
  EXPECT_EQ(told, backend_->health());
  EXPECT_EQ(backend_->FreeBytes(), 0);
}

}  // namespace
}  // namespace derin::cuda
