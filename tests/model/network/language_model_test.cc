#include "model/network/language_model.h"

#include <vector>

#include "gtest/gtest.h"
#include "model/backend/backend_list.h"

namespace derin {
namespace {

class LanguageModelTest : public testing::TestWithParam<std::string_view> {
 protected:
  void SetUp() override {
    backend_ = *NewBackend(GetParam());
    queue_ = *backend_->NewQueue(QueuePriority::kGeneration);
    const StackConfig config{.layers = 2, .hidden = 12, .vocabulary = 9};
    // Weights large enough that the text depends on the state.
    Parameters parameters = InitialParameters(config, 3);
    for (float& value : parameters.values) value *= 4;
    model_ = *LanguageModel::Create(*backend_, config, parameters, 40);
    pool_ = *HiddenStatePool::Create(*backend_, ElementType::kF32, StateElements(config), 64);
  }

  // `count` tokens after `first`, from the state in `slot`, as the sequence with `seed` draws them.
  // Begins at zero unless `position` says that it goes on.
  std::vector<int32_t> Generate(int32_t slot, int32_t first, uint64_t seed, int count,
                                int64_t position = 0) {
    std::vector<int32_t> tokens;
    LanguageModel::Row row{.token = first, .slot = slot, .sample = {.seed = seed}};
    for (int i = 0; i < count; ++i) {
      row.sample.position = position + i;
      row.from_zero = row.sample.position == 0;
      EXPECT_TRUE(model_->Step(*queue_, *pool_, {&row, 1}, {&row.token, 1}).ok());
      tokens.push_back(row.token);
    }
    return tokens;
  }

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Queue> queue_;
  std::unique_ptr<LanguageModel> model_;
  std::unique_ptr<HiddenStatePool> pool_;
};

TEST_P(LanguageModelTest, SequencesTogetherDrawWhatEachDrawsAlone) {
  const int N = 40, T = 25;
  std::vector<LanguageModel::Row> rows(N);
  for (int i = 0; i < N; ++i)
    rows[i] = {.token = 1 + i % 8, .slot = N - i, .from_zero = true, .sample = {.seed = 100u + i}};
  std::vector<std::vector<int32_t>> together(N);
  std::vector<int32_t> next(N);
  for (int t = 0; t < T; ++t) {
    ASSERT_TRUE(model_->Step(*queue_, *pool_, rows, absl::MakeSpan(next)).ok());
    for (int i = 0; i < N; ++i) {
      together[i].push_back(next[i]);
      rows[i].token = next[i];
      rows[i].sample.position = t + 1;
      rows[i].from_zero = false;
    }
  }
  for (int i = 0; i < N; ++i) {
    EXPECT_EQ(Generate(50, 1 + i % 8, 100u + i, T), together[i]) << "sequence " << i;
  }
}

TEST_P(LanguageModelTest, TenTokensAndTenMoreEqualTwenty) {
  const auto twenty = Generate(1, 3, 7, 20);
  auto parts = Generate(2, 3, 7, 10);
  const auto rest = Generate(2, parts.back(), 7, 10, 10);
  parts.insert(parts.end(), rest.begin(), rest.end());
  EXPECT_EQ(parts, twenty);
}

TEST_P(LanguageModelTest, SeveralStepsWithOneWaitAreThoseOneByOne) {
  const auto alone = Generate(1, 3, 7, 12), other = Generate(2, 5, 8, 12);
  std::vector<LanguageModel::Row> rows = {
      {.token = 3, .slot = 1, .from_zero = true, .sample = {.seed = 7}},
      {.token = 5, .slot = 2, .from_zero = true, .sample = {.seed = 8}}};
  for (int step = 0; step < 12; step += 4) {
    std::vector<int32_t> next(8);
    ASSERT_TRUE(model_->Steps(*queue_, *pool_, rows, 4, absl::MakeSpan(next)).ok());
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(next[2 * i], alone[step + i]);
      EXPECT_EQ(next[2 * i + 1], other[step + i]);
    }
    for (size_t i = 0; i < 2; ++i) {
      rows[i].token = next[6 + i];
      rows[i].from_zero = false;
      rows[i].sample.position += 4;
    }
  }
}

TEST_P(LanguageModelTest, AForcedTokenIsWhatComesOut) {
  LanguageModel::Row row{.token = 1, .slot = 1};
  row.sample.forced_token = 6;
  int32_t next = -1;
  ASSERT_TRUE(model_->Step(*queue_, *pool_, {&row, 1}, {&next, 1}).ok());
  EXPECT_EQ(next, 6);
}

INSTANTIATE_TEST_SUITE_P(AllBackends, LanguageModelTest, testing::ValuesIn(BackendNames()),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace derin
