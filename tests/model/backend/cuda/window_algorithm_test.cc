#include "model/backend/cuda/window_algorithm.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/backend/cuda/fake_gpu.h"

namespace derin::cuda {
namespace {

using testing::ElementsAre;

constexpr auto kStandard = WindowAlgorithm::kStandard, kPersist = WindowAlgorithm::kPersistStatic,
               kSmall = WindowAlgorithm::kSmallH, kOwn = WindowAlgorithm::kOwnKernels,
               kSteps = WindowAlgorithm::kStepProducts;
constexpr StackExtent kTraining{.steps = 2, .batch = 2, .training = true};

class WindowAlgorithmTest : public testing::Test {
 protected:
  std::vector<WindowAlgorithm> Of(Cell cell, int hidden, Precision precision,
                                  const StackExtent& extent = kTraining) {
    return AlgorithmsFor(*device_, {.cell = cell, .hidden = hidden, .precision = precision},
                         extent);
  }

  FakeGpu gpu_{};
  std::shared_ptr<Device> device_ = *Device::Open(FakeGpu::calls(), 0);
};

TEST_F(WindowAlgorithmTest, FollowsWhatCudnnDocuments) {
  EXPECT_THAT(Of(Cell::kGru, 128, Precision::kF32), ElementsAre(kStandard, kPersist, kSmall));
  EXPECT_THAT(Of(Cell::kGru, 129, Precision::kF16), ElementsAre(kStandard, kPersist));
  EXPECT_THAT(Of(Cell::kVanillaRelu, 256, Precision::kTf32),
              ElementsAre(kStandard, kPersist, kSmall));
  EXPECT_THAT(Of(Cell::kVanillaTanh, 257, Precision::kF16), ElementsAre(kStandard, kPersist));
  EXPECT_THAT(Of(Cell::kGru, 16, Precision::kBf16), ElementsAre(kStandard));
}

TEST_F(WindowAlgorithmTest, OursAreForTheLstmAloneInF32AndToBeMeasuredElse) {
  EXPECT_THAT(Of(Cell::kLstm, 128, Precision::kF32), ElementsAre(kOwn));
  EXPECT_THAT(Of(Cell::kLstm, 128, Precision::kTf32),
              ElementsAre(kStandard, kPersist, kSmall, kOwn, kSteps));
  EXPECT_THAT(Of(Cell::kLstm, 1024, Precision::kBf16), ElementsAre(kStandard, kOwn, kSteps));
  EXPECT_THAT(Of(Cell::kLstm, 2048, Precision::kF32), ElementsAre(kStandard, kPersist, kSteps));
  EXPECT_THAT(Of(Cell::kLstm, 2048, Precision::kBf16), ElementsAre(kStandard, kSteps));
}

TEST_F(WindowAlgorithmTest, WithoutTrainingNothingIsToBeMeasured) {
  const StackExtent inference{.steps = 2, .batch = 2};
  EXPECT_THAT(Of(Cell::kLstm, 16, Precision::kF32, inference), ElementsAre(kOwn));
  EXPECT_THAT(Of(Cell::kLstm, 2048, Precision::kF32, inference), ElementsAre(kStandard));
  EXPECT_THAT(Of(Cell::kLstm, 16, Precision::kF16, inference), ElementsAre(kStandard));
}

TEST_F(WindowAlgorithmTest, WithDropoutOnlyWhatLeavesRoomBetweenLayersIsLeft) {
  StackExtent dropping = kTraining;
  dropping.dropout = 0.1;
  EXPECT_THAT(Of(Cell::kGru, 16, Precision::kF32, dropping), ElementsAre(kStandard));
  EXPECT_THAT(Of(Cell::kVanillaRelu, 16, Precision::kF16, dropping), ElementsAre(kStandard));
  EXPECT_THAT(Of(Cell::kLstm, 16, Precision::kF16, dropping), ElementsAre(kOwn));
  EXPECT_THAT(Of(Cell::kLstm, 2048, Precision::kF32, dropping), ElementsAre(kSteps));
}

TEST_F(WindowAlgorithmTest, IsFoundByItsNameAmongThoseThereAre) {
  const std::vector<WindowAlgorithm> all = {kStandard, kPersist, kSmall, kOwn, kSteps};
  for (const WindowAlgorithm algorithm : all) {
    EXPECT_EQ(FindAlgorithm(all, AlgorithmName(algorithm)), algorithm);
  }
  EXPECT_EQ(FindAlgorithm({kStandard}, "small-h"), std::nullopt);
  EXPECT_EQ(FindAlgorithm({kStandard}, ""), std::nullopt);
  EXPECT_EQ(FindAlgorithm("step-products"), kSteps);
  EXPECT_EQ(FindAlgorithm("steps"), std::nullopt);
}

TEST_F(WindowAlgorithmTest, TheQuickestIsTakenAndOneThatFailsIsNot) {
  EXPECT_EQ(QuickestAlgorithm({kStandard, kPersist}, {2.0, 1.5})->algorithm, kPersist);
  EXPECT_EQ(QuickestAlgorithm({kStandard, kPersist}, {2.0, 2.0})->algorithm, kStandard);
  EXPECT_EQ(
      QuickestAlgorithm({kStandard, kPersist}, {2.0, absl::UnimplementedError("no")})->algorithm,
      kStandard);
  EXPECT_EQ(QuickestAlgorithm({kStandard, kPersist},
                              {absl::InternalError("first"), absl::InternalError("second")})
                .status()
                .message(),
            "first");
}

TEST_F(WindowAlgorithmTest, WhereMemoryAloneKeptAllFromATimeTheFirstSuchIsTaken) {
  EXPECT_EQ(QuickestAlgorithm({kStandard, kPersist, kSmall},
                              {absl::InternalError("no"), absl::ResourceExhaustedError("full"),
                               absl::ResourceExhaustedError("full")})
                ->algorithm,
            kPersist);
}

TEST_F(WindowAlgorithmTest, AChoiceLastsWhereNoneWasOutForWhatIsNotItsFault) {
  const auto lasting = [](absl::Status status) {
    return QuickestAlgorithm({kStandard, kPersist}, {2.0, std::move(status)})->lasting;
  };
  EXPECT_TRUE(QuickestAlgorithm({kStandard, kPersist}, {2.0, 1.0})->lasting);
  EXPECT_TRUE(lasting(absl::UnimplementedError("not here")));
  EXPECT_TRUE(lasting(absl::InternalError("it fails")));
  EXPECT_FALSE(lasting(absl::ResourceExhaustedError("full")));
  EXPECT_FALSE(lasting(absl::DeadlineExceededError("too slow")));
  EXPECT_FALSE(lasting(absl::AbortedError("its process is gone")));
}

}  // namespace
}  // namespace derin::cuda
