#include "model/backend/cuda/cuda_recording.h"

#include <algorithm>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/backend/backend_list.h"
#include "model/backend/cuda/cuda_backend.h"
#include "model/training/trainer.h"
#include "tests/model/backend/cuda/fake_gpu.h"

namespace derin::cuda {
namespace {

using testing::HasSubstr;

class CudaRecordingTest : public testing::Test {
 protected:
  FakeGpu gpu_{};
  std::unique_ptr<Backend> backend_ = *NewCudaBackend(FakeGpu::calls(), 0);
  std::unique_ptr<Queue> queue_ = *backend_->NewQueue(QueuePriority::kTraining);

  int64_t Calls(const std::string& call) const {
    return std::count(gpu_.log().begin(), gpu_.log().end(), call);
  }
};

TEST_F(CudaRecordingTest, RunsThenCapturesThenReplays) {
  Buffer values = *backend_->Allocate(ElementType::kF32, 4);
  int bodies = 0;
  auto recording = backend_->Record([&](Queue& queue) {
    ++bodies;
    backend_->Zero(queue, values.view());
  });
  for (int run = 0; run < 5; ++run) {
    gpu_.ClearLog();
    const float ones[] = {1, 1, 1, 1};
    backend_->Upload(*queue_, ones, values.view());
    recording->Run(*queue_);
    EXPECT_EQ(values.view().As<float>()[3], 0);
    EXPECT_EQ(Calls("cudaGraphLaunch"), run == 0 ? 0 : 1);
    EXPECT_EQ(Calls("cudaStreamBeginCapture"), run == 1 ? 1 : 0);
  }
  EXPECT_EQ(bodies, 2);
  EXPECT_TRUE(queue_->Finish().ok());
}

TEST_F(CudaRecordingTest, WhatFailsDuringCaptureFailsTheQueueAndEndsTheCapture) {
  Buffer values = *backend_->Allocate(ElementType::kF32, 4);
  auto recording = backend_->Record([&](Queue& queue) { backend_->Zero(queue, values.view()); });
  recording->Run(*queue_);
  gpu_.FailNext("cudaMemsetAsync", cudaErrorInvalidValue);
  recording->Run(*queue_);
  EXPECT_FALSE(gpu_.capturing());
  EXPECT_EQ(Calls("cudaGraphLaunch"), 0);
  EXPECT_THAT(std::string(queue_->Finish().message()), HasSubstr("cudaMemsetAsync"));
}

TEST_F(CudaRecordingTest, WaitingDuringCaptureIsRefused) {
  float value = 0;
  Buffer values = *backend_->Allocate(ElementType::kF32, 1);
  auto recording = backend_->Record([&](Queue& queue) {
    EXPECT_EQ(backend_->Download(queue, values.view(), &value).ok(), !gpu_.capturing());
  });
  recording->Run(*queue_);
  recording->Run(*queue_);
  EXPECT_FALSE(queue_->Finish().ok());
}

TEST_F(CudaRecordingTest, ABodyThatWantsMoreMemoryWhenItIsCapturedIsRefused) {
  Buffer values = *backend_->Allocate(ElementType::kF32, 5000),
         norm = *backend_->Allocate(ElementType::kF64, 1);
  size_t count = 10;
  auto recording = backend_->Record([&](Queue& queue) {
    backend_->SquaredNorm(queue, values.view().Slice(0, count), norm.view());
  });
  recording->Run(*queue_);
  count = 5000;
  recording->Run(*queue_);
  EXPECT_FALSE(gpu_.capturing());
  EXPECT_THAT(std::string(queue_->Finish().message()), HasSubstr("cudaMalloc"));
}

// A whole training, whose every step but the first is one graph and two small uploads.
TEST_F(CudaRecordingTest, ATrainingIsTheReferencesAndItsStepsAreOneGraph) {
  const TrainingConfig config{.model = {.layers = 2, .hidden = 6, .vocabulary = 5},
                              .batch = 3,
                              .steps = 4,
                              .epochs = 2,
                              .held_out_tokens = 30};
  std::vector<int32_t> tokens;
  for (int i = 0; i < 150; ++i) tokens.push_back((i * i / 3) % 5);
  const Parameters initial = InitialParameters(config.model, 1);
  auto reference = *NewBackend("reference");
  auto wanted = *Trainer::Create(*reference, config, tokens, initial);
  auto trainer = *Trainer::Create(*backend_, config, tokens, initial);
  int step = 0;
  while (!trainer->done()) {
    gpu_.ClearLog();
    const absl::Status status = trainer->Step();
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_TRUE(wanted->Step().ok());
    if (step >= 2 && step < 6) {
      EXPECT_EQ(Calls("cudaGraphLaunch"), 1);
      EXPECT_EQ(Calls("cudnnRNNForward"), 0);
      EXPECT_EQ(Calls("cudaStreamSynchronize"), 0);
    }
    ++step;
  }
  ASSERT_GT(step, 12);
  EXPECT_NEAR(*trainer->progress().validation_perplexity, *wanted->progress().validation_perplexity,
              1e-4);
  EXPECT_NEAR(trainer->progress().gradient_norm, wanted->progress().gradient_norm, 1e-4);
  const Parameters got = *trainer->PublishableParameters(), best = *wanted->PublishableParameters();
  for (size_t i = 0; i < got.values.size(); ++i) {
    ASSERT_NEAR(got.values[i], best.values[i], 1e-4) << i;
  }
}

}  // namespace
}  // namespace derin::cuda
