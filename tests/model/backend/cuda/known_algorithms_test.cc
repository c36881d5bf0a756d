#include "model/backend/cuda/known_algorithms.h"

#include <fstream>

#include "gtest/gtest.h"
#include "tests/temporary_folder.h"

namespace derin::cuda {
namespace {

constexpr StackConfig kConfig{.hidden = 8, .vocabulary = 3, .precision = Precision::kBf16};
constexpr StackExtent kExtent{.steps = 2, .batch = 4, .training = true};

class KnownAlgorithmsTest : public testing::Test {
 protected:
  TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_.path() / "known";
};

TEST_F(KnownAlgorithmsTest, AreFoundAgainForTheSameMachineAndShapeAlone) {
  KnownAlgorithms(file_, "A GPU").Keep(kConfig, kExtent, WindowAlgorithm::kStepProducts);
  const KnownAlgorithms known(file_, "A GPU");
  EXPECT_EQ(known.Find(kConfig, kExtent), WindowAlgorithm::kStepProducts);
  StackConfig other = kConfig;
  other.precision = Precision::kF16;
  EXPECT_EQ(known.Find(other, kExtent), std::nullopt);
  EXPECT_EQ(known.Find(kConfig, {.steps = 2, .batch = 5, .training = true}), std::nullopt);
  EXPECT_EQ(KnownAlgorithms(file_, "Another").Find(kConfig, kExtent), std::nullopt);
}

TEST_F(KnownAlgorithmsTest, OfOtherMachinesStayInTheFile) {
  KnownAlgorithms(file_, "A GPU").Keep(kConfig, kExtent, WindowAlgorithm::kStandard);
  KnownAlgorithms(file_, "Another").Keep(kConfig, kExtent, WindowAlgorithm::kSmallH);
  EXPECT_EQ(KnownAlgorithms(file_, "A GPU").Find(kConfig, kExtent), WindowAlgorithm::kStandard);
  EXPECT_EQ(KnownAlgorithms(file_, "Another").Find(kConfig, kExtent), WindowAlgorithm::kSmallH);
}

TEST_F(KnownAlgorithmsTest, WhatIsNoneIsNotKnown) {
  KnownAlgorithms(file_, "A GPU").Keep(kConfig, kExtent, WindowAlgorithm::kStandard);
  std::string text;
  std::getline(std::ifstream(file_), text);
  std::ofstream(file_) << "no line of ours\n" << text.substr(0, text.rfind('\t')) << "\tquick\n";
  EXPECT_EQ(KnownAlgorithms(file_, "A GPU").Find(kConfig, kExtent), std::nullopt);
}

TEST_F(KnownAlgorithmsTest, WithoutAFileThatCanBeWrittenAreKnownAsLongAsTheObject) {
  for (const auto& file : {std::filesystem::path(), folder_.path() / "missing" / "known"}) {
    KnownAlgorithms known(file, "A GPU");
    known.Keep(kConfig, kExtent, WindowAlgorithm::kOwnKernels);
    EXPECT_EQ(known.Find(kConfig, kExtent), WindowAlgorithm::kOwnKernels);
    EXPECT_EQ(KnownAlgorithms(file, "A GPU").Find(kConfig, kExtent), std::nullopt);
  }
}

}  // namespace
}  // namespace derin::cuda
