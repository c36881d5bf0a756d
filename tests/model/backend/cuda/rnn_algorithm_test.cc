#include "model/backend/cuda/rnn_algorithm.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace derin::cuda {
namespace {

using testing::ElementsAre;

constexpr cudnnRNNAlgo_t kStandard = CUDNN_RNN_ALGO_STANDARD,
                         kPersist = CUDNN_RNN_ALGO_PERSIST_STATIC,
                         kSmall = CUDNN_RNN_ALGO_PERSIST_STATIC_SMALL_H;
constexpr StackExtent kTraining{.steps = 2, .batch = 2, .training = true};

TEST(RnnAlgorithm, FollowsWhatCudnnDocuments) {
  const auto of = [](Cell cell, int hidden, Precision precision) {
    return AlgorithmsFor({.cell = cell, .hidden = hidden, .precision = precision}, kTraining);
  };
  EXPECT_THAT(of(Cell::kLstm, 128, Precision::kF32), ElementsAre(kStandard, kPersist, kSmall));
  EXPECT_THAT(of(Cell::kGru, 129, Precision::kF16), ElementsAre(kStandard, kPersist));
  EXPECT_THAT(of(Cell::kVanillaRelu, 256, Precision::kTf32),
              ElementsAre(kStandard, kPersist, kSmall));
  EXPECT_THAT(of(Cell::kVanillaTanh, 257, Precision::kF16), ElementsAre(kStandard, kPersist));
  EXPECT_THAT(of(Cell::kLstm, 16, Precision::kBf16), ElementsAre(kStandard));
  EXPECT_THAT(AlgorithmsFor({.hidden = 16}, {.steps = 2, .batch = 2}), ElementsAre(kStandard));
}

TEST(RnnAlgorithm, IsFoundByItsNameAmongThoseThereAre) {
  for (const cudnnRNNAlgo_t algorithm : {kStandard, kPersist, kSmall}) {
    EXPECT_EQ(FindAlgorithm({kStandard, kPersist, kSmall}, AlgorithmName(algorithm)), algorithm);
  }
  EXPECT_EQ(FindAlgorithm({kStandard}, "small-h"), std::nullopt);
  EXPECT_EQ(FindAlgorithm({kStandard}, ""), std::nullopt);
}

TEST(RnnAlgorithm, TheQuickestIsTakenAndOneThatFailsIsNot) {
  const auto times = [](double standard, absl::StatusOr<double> persist) {
    return [=](cudnnRNNAlgo_t algorithm) {
      return algorithm == kStandard ? absl::StatusOr<double>(standard) : persist;
    };
  };
  EXPECT_EQ(*QuickestAlgorithm({kStandard, kPersist}, times(2, 1.5)), kPersist);
  EXPECT_EQ(*QuickestAlgorithm({kStandard, kPersist}, times(2, 2)), kStandard);
  EXPECT_EQ(*QuickestAlgorithm({kStandard, kPersist}, times(2, absl::UnimplementedError("no"))),
            kStandard);
  const auto failing = [](cudnnRNNAlgo_t algorithm) -> absl::StatusOr<double> {
    return absl::InternalError(std::string(AlgorithmName(algorithm)));
  };
  EXPECT_EQ(QuickestAlgorithm({kStandard, kPersist}, failing).status().message(), "standard");
  EXPECT_EQ(*QuickestAlgorithm({kStandard}, failing), kStandard) << "was timed all the same";
}

}  // namespace
}  // namespace derin::cuda
