#include "model/training/evaluator.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "model/backend/backend_list.h"
#include "model/backend/host_transfer.h"
#include "model/training/training_tokens.h"

namespace derin {
namespace {

const StackConfig kConfig{.layers = 1, .hidden = 6, .vocabulary = 4};

// Measures `tokens` with windows of at most `steps` x `batch`.
LossTotal Measure(const std::vector<int32_t>& tokens, int steps, int batch) {
  auto backend = *NewBackend("auto");
  auto queue = *backend->NewQueue(QueuePriority::kTraining);
  auto stack = *backend->NewStack(kConfig, {.steps = steps, .batch = batch});
  const Parameters parameters = InitialParameters(kConfig, 1);
  Buffer flat = *backend->Allocate(ElementType::kF32, parameters.values.size());
  UploadReals(*backend, *queue, parameters.values, flat.view());
  stack->SetParameters(*queue, flat.view().Slice(0, parameters.layout.stack_count()));
  const auto text = *TrainingTokens::Of(*backend, tokens, static_cast<int64_t>(tokens.size()));
  auto evaluator = *Evaluator::Create(*backend, kConfig, text.held_out().view(), steps, batch);
  return *evaluator->Evaluate(*queue, *stack, flat.view());
}

std::vector<int32_t> Text(int count) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back((i * i + i / 3) % 4);
  return tokens;
}

TEST(Evaluator, CountsEveryTargetOfOneRow) {
  EXPECT_EQ(Measure(Text(24), 7, 1).tokens, 23);
  EXPECT_EQ(Measure(Text(2), 7, 5).tokens, 1);
}

TEST(Evaluator, LeavesOutFewerTokensThanRows) {
  EXPECT_EQ(Measure(Text(24), 7, 3).tokens, 21);    // 23 targets in 3 rows of 7
  EXPECT_EQ(Measure(Text(40), 5, 100).tokens, 35);  // 39 targets in 7 rows of 5
}

TEST(Evaluator, DoesNotDependOnTheLengthOfTheWindow) {
  const LossTotal whole = Measure(Text(50), 49, 1);
  for (const int steps : {1, 4, 10}) {
    EXPECT_NEAR(Measure(Text(50), steps, 1).nats, whole.nats, 1e-5) << steps;
  }
}

TEST(Evaluator, OfAnUntrainedModelIsNearTheVocabulary) {
  EXPECT_NEAR(Measure(Text(500), 35, 4).Perplexity(), 4, 0.5);
}

}  // namespace
}  // namespace derin
