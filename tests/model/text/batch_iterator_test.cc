#include "model/text/batch_iterator.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "model/sampling/philox.h"

namespace derin {
namespace {

using ::testing::HasSubstr;

BatchConfig Config(Partition partition, int64_t token_count = 1000, int batch = 4, int steps = 7) {
  return {token_count, batch, steps, partition, /*seed=*/0x1234567890abcdef};
}

// Draw `number` of an epoch, as the design defines it.
uint32_t Random(const BatchConfig& config, int64_t epoch, uint32_t number) {
  return Philox4x32({{static_cast<uint32_t>(epoch), static_cast<uint32_t>(epoch >> 32), number, 3}},
                    config.seed)
      .word[0];
}

std::vector<int64_t> Starts(const BatchIterator& iterator, int64_t index, int batch) {
  std::vector<int64_t> starts(batch, -1);
  iterator.Starts(index, absl::MakeSpan(starts));
  return starts;
}

std::vector<int64_t> AllStarts(BatchIterator& iterator, int64_t epoch, int batch) {
  iterator.StartEpoch(epoch);
  std::vector<int64_t> all;
  for (int64_t i = 0; i < iterator.steps_in_epoch(); ++i) {
    for (const int64_t start : Starts(iterator, i, batch)) all.push_back(start);
  }
  return all;
}

// Written after d2l's seq_data_iter_sequential.
TEST(BatchIterator, CutsSequentiallyAsTheBookDoes) {
  const BatchConfig config = Config(Partition::kSequential);
  BatchIterator iterator(config);
  for (const int64_t epoch : {int64_t{0}, int64_t{1}, int64_t{2}, int64_t{1} << 32}) {
    iterator.StartEpoch(epoch);
    const int64_t offset = IntegerBelow(Random(config, epoch, 0), 7);
    const int64_t tokens = (1000 - offset - 1) / 4 * 4;
    const int64_t row_length = tokens / 4;
    ASSERT_EQ(iterator.steps_in_epoch(), row_length / 7);
    for (int64_t i = 0; i < iterator.steps_in_epoch(); ++i) {
      std::vector<int64_t> expected;
      for (int64_t row = 0; row < 4; ++row) expected.push_back(offset + row * row_length + i * 7);
      EXPECT_EQ(Starts(iterator, i, 4), expected);
    }
  }
}

// Written after d2l's seq_data_iter_random, with the design's shuffle.
TEST(BatchIterator, ShufflesWindowsFromTheLastWithNumberedDraws) {
  const BatchConfig config = Config(Partition::kRandom);
  BatchIterator iterator(config);
  for (const int64_t epoch : {int64_t{0}, int64_t{5}, (int64_t{1} << 32) + 5}) {
    const int64_t offset = IntegerBelow(Random(config, epoch, 0), 7);
    std::vector<int64_t> windows;
    for (int64_t i = 0; i < (1000 - offset - 1) / 7; ++i) windows.push_back(offset + i * 7);
    uint32_t number = 1;
    for (size_t i = windows.size() - 1; i > 0; --i) {
      std::swap(windows[i], windows[IntegerBelow(Random(config, epoch, number++), i + 1)]);
    }
    windows.resize(windows.size() / 4 * 4);
    EXPECT_EQ(AllStarts(iterator, epoch, 4), windows);
  }
}

TEST(BatchIterator, ReadsNoTokenTwiceAndNoneOutsideTheText) {
  for (const Partition partition : {Partition::kSequential, Partition::kRandom}) {
    for (const int64_t token_count : {35, 36, 41, 42, 100, 999}) {
      BatchIterator iterator(Config(partition, token_count));
      for (int64_t epoch = 0; epoch < 20; ++epoch) {
        std::set<int64_t> inputs;
        for (const int64_t start : AllStarts(iterator, epoch, 4)) {
          EXPECT_GE(start, 0);
          EXPECT_LT(start + 7, token_count);  // the last target
          for (int64_t t = start; t < start + 7; ++t) EXPECT_TRUE(inputs.insert(t).second);
        }
        EXPECT_GE(inputs.size(), 4u * 7);
      }
    }
  }
}

TEST(BatchIterator, ReplaysAnEpochAlone) {
  for (const Partition partition : {Partition::kSequential, Partition::kRandom}) {
    BatchIterator one(Config(partition));
    for (int64_t epoch = 0; epoch < 9; ++epoch) one.StartEpoch(epoch);
    BatchIterator other(Config(partition));
    EXPECT_EQ(AllStarts(one, 9, 4), AllStarts(other, 9, 4));
  }
}

TEST(BatchIterator, ChangesWithTheEpochAndTheSeed) {
  BatchConfig config = Config(Partition::kRandom);
  BatchIterator iterator(config);
  const std::vector<int64_t> first = AllStarts(iterator, 0, 4);
  EXPECT_NE(AllStarts(iterator, 1, 4), first);
  ++config.seed;
  BatchIterator other(config);
  EXPECT_NE(AllStarts(other, 0, 4), first);
}

TEST(BatchIterator, DrawsEveryOffset) {
  BatchIterator iterator(Config(Partition::kSequential));
  std::set<int64_t> offsets;
  for (int64_t epoch = 0; epoch < 200; ++epoch) {
    iterator.StartEpoch(epoch);
    offsets.insert(Starts(iterator, 0, 4)[0]);
  }
  EXPECT_THAT(offsets, ::testing::ElementsAre(0, 1, 2, 3, 4, 5, 6));
}

TEST(BatchIterator, KnowsTheStepsOfAnEpochBeforeItBegins) {
  for (const Partition partition : {Partition::kSequential, Partition::kRandom}) {
    BatchIterator iterator(Config(partition, 365, 4, 7));  // 13 minibatches, or 12 from offset 1 on
    int64_t sum = 0;
    for (int64_t epoch = 0; epoch < 30; ++epoch) {
      EXPECT_EQ(iterator.StepsInEpochs(epoch), sum);
      const int64_t before = iterator.StepsInEpoch(epoch);
      iterator.StartEpoch(epoch);
      EXPECT_EQ(iterator.steps_in_epoch(), before);
      sum += before;
    }
  }
}

// The recipe's epoch: 10,000 tokens in 32 rows of 35 steps are 8 minibatches whatever the offset.
TEST(BatchIterator, GivesTheRecipeEightMinibatches) {
  BatchIterator iterator({.token_count = 10'000, .seed = 1});
  for (int64_t epoch = 0; epoch < 500; ++epoch) EXPECT_EQ(iterator.StepsInEpoch(epoch), 8);
}

TEST(BatchIterator, RefusesATextShorterThanOneMinibatchFromAnyOffset) {
  for (const Partition partition : {Partition::kSequential, Partition::kRandom}) {
    EXPECT_EQ(BatchIterator::Validate(Config(partition, 4 * 7 + 7)), absl::OkStatus());
    const absl::Status status = BatchIterator::Validate(Config(partition, 4 * 7 + 6));
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr("there are 34 tokens"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("at least 35"));
  }
}

TEST(BatchIterator, RefusesSizesThatMakeNoMinibatch) {
  for (const auto& [batch, steps] : {std::pair{0, 7}, std::pair{4, 0}, std::pair{-1, -1}}) {
    EXPECT_EQ(BatchIterator::Validate(Config(Partition::kRandom, 1000, batch, steps)).code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(BatchIterator::Validate(Config(Partition::kRandom, int64_t{1} << 40, 4, 7)).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(BatchIterator::Validate(Config(Partition::kSequential, int64_t{1} << 40, 4, 7)),
            absl::OkStatus());
}

TEST(BatchIterator, CountsTheEpochsThatSoManyMinibatchesTake) {
  const BatchIterator iterator(Config(Partition::kSequential));
  EXPECT_EQ(iterator.EpochsWithSteps(0), 0);
  for (const int64_t epochs : {1, 2, 30}) {
    const int64_t steps = iterator.StepsInEpochs(epochs);
    EXPECT_EQ(iterator.EpochsWithSteps(steps), epochs);
    EXPECT_EQ(iterator.EpochsWithSteps(steps + 1), epochs + 1);
  }
}

}  // namespace
}  // namespace derin
