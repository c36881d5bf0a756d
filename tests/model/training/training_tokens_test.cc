#include "model/training/training_tokens.h"

#include <gmock/gmock.h>

#include <numeric>
#include <string>
#include <vector>

#include "model/backend/backend_list.h"

namespace derin {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct TrainingTokensTest : testing::Test {
  std::unique_ptr<Backend> backend = *NewBackend("reference");

  std::vector<int32_t> ValuesOf(const Buffer& buffer) {
    std::vector<int32_t> values(buffer.view().count);
    auto queue = *backend->NewQueue(QueuePriority::kTraining);
    EXPECT_TRUE(backend->Download(*queue, buffer.view(), values.data()).ok());
    return values;
  }
};

TEST_F(TrainingTokensTest, JoinsWhatIsTrainedOnAndWhatIsHeldOutWhereverPiecesAreCut) {
  std::vector<int32_t> text(10);
  std::iota(text.begin(), text.end(), 0);
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    auto tokens = *TrainingTokens::Create(*backend, 10, {{1, 3}, {6, 7}, {9, 10}});
    for (size_t at = 0; at < text.size(); at += piece) {
      ASSERT_TRUE(tokens.Append(absl::MakeSpan(text).subspan(at, piece)).ok());
    }
    ASSERT_TRUE(tokens.Finish().ok());
    EXPECT_THAT(ValuesOf(tokens.trained()), ElementsAre(0, 3, 4, 5, 7, 8)) << piece;
    EXPECT_THAT(ValuesOf(tokens.held_out()), ElementsAre(1, 2, 6, 9)) << piece;
  }
}

TEST_F(TrainingTokensTest, HoldsOutTheEndOfTokensThatAreThere) {
  const auto tokens = *TrainingTokens::Of(*backend, {4, 5, 6, 7}, 2);
  EXPECT_THAT(ValuesOf(tokens.trained()), ElementsAre(4, 5));
  EXPECT_THAT(ValuesOf(tokens.held_out()), ElementsAre(6, 7));
  const auto all = *TrainingTokens::Of(*backend, {4, 5}, 0);
  EXPECT_THAT(ValuesOf(all.trained()), ElementsAre(4, 5));
  EXPECT_THAT(ValuesOf(all.held_out()), IsEmpty());
}

TEST_F(TrainingTokensTest, ATextThatWasCountedOtherwiseIsRefused) {
  auto tokens = *TrainingTokens::Create(*backend, 3, {});
  EXPECT_TRUE(tokens.Append({1, 2}).ok());
  const absl::Status few = tokens.Finish();
  EXPECT_EQ(few.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(few.message()), HasSubstr("2 tokens, where 3 were counted"));
  EXPECT_EQ(tokens.Append({3, 4}).code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(tokens.Append({3}).ok());
  EXPECT_TRUE(tokens.Finish().ok());
}

}  // namespace
}  // namespace derin
