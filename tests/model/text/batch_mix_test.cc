#include "model/text/batch_mix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <set>

namespace derin {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kSteps = 7;

std::vector<int64_t> Starts(BatchMix& mix, int64_t index, int batch) {
  std::vector<int64_t> starts(batch, -1);
  mix.Starts(index, absl::MakeSpan(starts));
  return starts;
}

TEST(RowsByWeight, AreInProportion) {
  EXPECT_THAT(RowsByWeight({1}, 32), ElementsAre(32));
  EXPECT_THAT(RowsByWeight({3, 1}, 32), ElementsAre(24, 8));
  EXPECT_THAT(RowsByWeight({0.5, 0.25, 0.25}, 4), ElementsAre(2, 1, 1));
  // 10.67 each: the first ones get what is left over.
  EXPECT_THAT(RowsByWeight({1, 1, 1}, 32), ElementsAre(11, 11, 10));
  EXPECT_THAT(RowsByWeight({1e6, 1e-6}, 32), ElementsAre(31, 1));
  EXPECT_THAT(RowsByWeight({9, 1, 1, 1}, 4), Each(1));
}

TEST(RowsByWeight, AreAllOfTheBatchAndAtLeastOneEach) {
  for (int batch = 5; batch < 40; ++batch) {
    const std::vector<int> rows = RowsByWeight({7, 0.001, 2, 31, 0.5}, batch);
    EXPECT_EQ(std::accumulate(rows.begin(), rows.end(), 0), batch);
    EXPECT_GE(*std::min_element(rows.begin(), rows.end()), 1);
  }
}

TEST(BatchMix, OfOneTextIsItsIterator) {
  for (const Partition partition : {Partition::kSequential, Partition::kRandom}) {
    BatchIterator wanted({1000, 4, kSteps, partition, 5});
    BatchMix mix({{{1000, 4}}, kSteps, partition, 5});
    EXPECT_EQ(mix.StepsInEpochs(3), wanted.StepsInEpochs(3));
    EXPECT_EQ(mix.EpochsWithSteps(50), wanted.EpochsWithSteps(50));
    for (const int64_t epoch : {0, 1, 2}) {
      mix.StartEpoch(epoch);
      wanted.StartEpoch(epoch);
      ASSERT_EQ(mix.steps_in_epoch(), wanted.steps_in_epoch());
      EXPECT_EQ(mix.StepsInEpoch(epoch), wanted.StepsInEpoch(epoch));
      for (int64_t i = 0; i < mix.steps_in_epoch(); ++i) {
        std::vector<int64_t> starts(4);
        wanted.Starts(i, absl::MakeSpan(starts));
        EXPECT_EQ(Starts(mix, i, 4), starts);
      }
    }
  }
}

class MixTest : public testing::TestWithParam<Partition> {
 protected:
  // A short text that is read often, and a long one.
  const BatchMixConfig config_{{{100, 6}, {1000, 2}}, kSteps, GetParam(), 5};
  BatchMix mix_{config_};
};

TEST_P(MixTest, AnEpochIsWhatAllTextsFill) {
  EXPECT_EQ(mix_.StepsInEpoch(0), 1100 / (8 * kSteps));
  EXPECT_EQ(mix_.StepsInEpochs(4), 4 * mix_.StepsInEpoch(0));
  EXPECT_EQ(mix_.EpochsWithSteps(4 * mix_.StepsInEpoch(0)), 4);
  EXPECT_EQ(mix_.EpochsWithSteps(4 * mix_.StepsInEpoch(0) + 1), 5);
}

TEST_P(MixTest, EachTextIsReadAsIfItWereAlone) {
  std::vector<BatchIterator> alone{BatchIterator({100, 6, kSteps, GetParam(), 5}),
                                   BatchIterator({1000, 2, kSteps, GetParam(), 6})};
  std::vector<int64_t> pass = {-1, -1}, left = {0, 0};
  for (int64_t epoch = 0; epoch < 5; ++epoch) {
    mix_.StartEpoch(epoch);
    for (int64_t i = 0; i < mix_.steps_in_epoch(); ++i) {
      const std::vector<int64_t> starts = Starts(mix_, i, 8);
      size_t row = 0;
      for (size_t text = 0; text < 2; ++text) {
        if (left[text] == 0) {
          alone[text].StartEpoch(++pass[text]);
          left[text] = alone[text].steps_in_epoch();
        }
        std::vector<int64_t> own(config_.parts[text].rows);
        alone[text].Starts(alone[text].steps_in_epoch() - left[text]--, absl::MakeSpan(own));
        for (const int64_t start : own) EXPECT_EQ(starts[row++], start + (text == 1 ? 100 : 0));
      }
    }
  }
  EXPECT_GT(pass[0], 5) << "more often than once in an epoch";
  EXPECT_LT(pass[1], 4) << "and less often";
}

TEST_P(MixTest, AnyEpochCanBeBegunAlone) {
  std::map<std::pair<int64_t, int64_t>, std::vector<int64_t>> wanted;
  for (int64_t epoch = 0; epoch < 6; ++epoch) {
    mix_.StartEpoch(epoch);
    for (int64_t i = 0; i < mix_.steps_in_epoch(); ++i) wanted[{epoch, i}] = Starts(mix_, i, 8);
  }
  for (const int64_t epoch : {4, 1, 5, 0}) {
    BatchMix fresh(config_);
    fresh.StartEpoch(epoch);
    mix_.StartEpoch(epoch);
    const int64_t middle = fresh.steps_in_epoch() / 2;
    EXPECT_EQ(Starts(fresh, middle, 8), (wanted[{epoch, middle}]));
    EXPECT_EQ(Starts(mix_, middle, 8), (wanted[{epoch, middle}]));
  }
}

TEST_P(MixTest, NoWindowReachesIntoTheOtherText) {
  for (int64_t epoch = 0; epoch < 20; ++epoch) {
    mix_.StartEpoch(epoch);
    for (int64_t i = 0; i < mix_.steps_in_epoch(); ++i) {
      const std::vector<int64_t> starts = Starts(mix_, i, 8);
      for (int row = 0; row < 8; ++row) {
        EXPECT_GE(starts[row], row < 6 ? 0 : 100);
        EXPECT_LT(starts[row] + kSteps, row < 6 ? 100 : 1100) << "the last target";
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Partitions, MixTest,
                         testing::Values(Partition::kSequential, Partition::kRandom));

TEST(BatchMix, IsRefusedWhereATextFillsNoMinibatchOfItsRows) {
  const absl::Status status = BatchMix::Validate({{{1000, 2}, {40, 6}}, kSteps});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("there are 40 tokens"));
  EXPECT_TRUE(BatchMix::Validate({{{1000, 2}, {49, 6}}, kSteps}).ok());
}

}  // namespace
}  // namespace derin
