#include "model/backend/cuda/kernels/window.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/backend/cuda/host_launch.h"

namespace derin::cuda {
namespace {

using testing::ElementsAre;

TEST(GatherWindow, AWindowOutsideOfTheCorpusIsAFaultAndReadsNothing) {
  const std::vector<int32_t> corpus = {5, 6, 7, 8};
  // The first ends with the corpus; the others begin before it, or end beyond.
  const std::vector<int64_t> starts = {1, -1, 2};
  std::vector<int32_t> tokens(6, 9), targets(6, 9);
  FaultWord fault = 0;
  GatherWindow kernel{corpus.data(), starts.data(), tokens.data(), targets.data(), &fault, 4, 2, 3};
  RunOnHost(kernel);
  EXPECT_THAT(tokens, ElementsAre(6, 0, 0, 7, 0, 0));
  EXPECT_THAT(targets, ElementsAre(7, -1, -1, 8, -1, -1));
  EXPECT_EQ(KindOfFault(fault), FaultKind::kStart);
  EXPECT_EQ(ValueOfFault(fault), 2);
}

TEST(OneHot, HasAOneForEachTokenAndNoneForWhatIsNoToken) {
  const std::vector<int32_t> tokens = {2, 0, -7};
  std::vector<float> x(9, 5);
  FaultWord fault = 0;
  RunOnHost(OneHot<float>{tokens.data(), x.data(), &fault, 3, 3, 3});
  EXPECT_THAT(x, ElementsAre(0, 0, 1, 1, 0, 0, 0, 0, 0));
  EXPECT_EQ(KindOfFault(fault), FaultKind::kToken);
  EXPECT_EQ(ValueOfFault(fault), -7);
}

TEST(OneHot, MayHaveMoreColumnsThanTokensAndNumbersOf16Bits) {
  const std::vector<int32_t> tokens = {2, 3};
  std::vector<Bf16> x(8, Bf16{7});
  FaultWord fault = 0;
  RunOnHost(OneHot<Bf16>{tokens.data(), x.data(), &fault, 2, 3, 4});
  for (int i = 0; i < 8; ++i) EXPECT_EQ(ToFloat(x[i]), i == 2 || i == 7 ? 1 : 0) << i;
  EXPECT_EQ(KindOfFault(fault), FaultKind::kToken) << "a column of padding is no token";
}

}  // namespace
}  // namespace derin::cuda
