#include "server/metrics/histogram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>
#include <vector>

namespace derin::server {
namespace {

using ::testing::ElementsAre;

constexpr double kBounds[] = {1, 2, 4};

TEST(Histogram, PutsAValueEqualToABoundUnderIt) {
  Histogram histogram(kBounds);
  for (const double value : {-1.0, 1.0, std::nextafter(1.0, 2.0), 2.0, 4.0}) {
    histogram.Record(value);
  }
  EXPECT_THAT(histogram.Read().counts, ElementsAre(2, 2, 1, 0));
}

TEST(Histogram, KeepsWhatIsAboveAllBounds) {
  Histogram histogram(kBounds);
  histogram.Record(std::nextafter(4.0, 5.0));
  histogram.Record(std::numeric_limits<double>::infinity());
  EXPECT_THAT(histogram.Read().counts, ElementsAre(0, 0, 0, 2));
}

TEST(Histogram, LeavesOutNaN) {
  Histogram histogram(kBounds);
  histogram.Record(std::nan(""));
  histogram.Record(3);
  EXPECT_EQ(histogram.Read().count, 1u);
  EXPECT_EQ(histogram.Read().sum, 3);
}

TEST(Histogram, RecordsDurationsInSeconds) {
  Histogram histogram(SecondsBuckets());
  histogram.Record(absl::Microseconds(50));
  histogram.Record(absl::Seconds(60));
  histogram.Record(absl::Seconds(61));
  const Histogram::Snapshot snapshot = histogram.Read();
  EXPECT_EQ(snapshot.counts.front(), 1u);
  EXPECT_EQ(snapshot.counts[snapshot.counts.size() - 2], 1u);
  EXPECT_EQ(snapshot.counts.back(), 1u);
  EXPECT_DOUBLE_EQ(snapshot.sum, 121.00005);
}

TEST(Histogram, MergesWhatManyThreadsRecorded) {
  constexpr int kThreads = 40;
  constexpr int kRecords = 5'000;
  Histogram histogram(kBounds);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&histogram] {
      for (int i = 0; i < kRecords; ++i) histogram.Record(i % 2 == 0 ? 1 : 3);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Histogram::Snapshot snapshot = histogram.Read();
  EXPECT_THAT(snapshot.counts, ElementsAre(kThreads * kRecords / 2, 0, kThreads * kRecords / 2, 0));
  EXPECT_EQ(snapshot.count, uint64_t{kThreads} * kRecords);
  EXPECT_EQ(snapshot.sum, 2.0 * kThreads * kRecords);
}

}  // namespace
}  // namespace derin::server
