#include "server/metrics/family.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace derin::server {
namespace {

using ::testing::ElementsAre;
using Label = prometheus::ClientMetric::Label;

struct FamilyTest : testing::Test {
  MetricSet set{[] { return absl::ZeroDuration(); }};
};

TEST_F(FamilyTest, TellsSeriesApartByTheirLabels) {
  CounterFamily<2> requests(set, {"requests_total", "Requests", ""}, {"method", "code"});
  requests.With("Get", "OK").Add(2);
  requests.With("Get", "NOT_FOUND").Add();
  requests.With("Get", "OK").Add(3);
  const prometheus::MetricFamily family = requests.Collect();
  EXPECT_EQ(family.type, prometheus::MetricType::Counter);
  ASSERT_EQ(family.metric.size(), 2u);
  EXPECT_THAT(family.metric[1].label, ElementsAre(Label{"method", "Get"}, Label{"code", "OK"}));
  EXPECT_EQ(family.metric[1].counter.value, 5);
  EXPECT_EQ(family.metric[0].counter.value, 1);
}

TEST_F(FamilyTest, CountsSeriesBeyondTheBoundAsOther) {
  CounterFamily<1> tokens(set, {"tokens_total", "Tokens", "tokens"}, {"model"});
  for (size_t i = 0; i < kMaxSeries + 10; ++i) tokens.With("m" + std::to_string(i)).Add();
  tokens.With("m3").Add();  // still its own
  const prometheus::MetricFamily family = tokens.Collect();
  EXPECT_EQ(family.metric.size(), kMaxSeries + 1);
  EXPECT_EQ(tokens.With("other").Value(), 10u);
  EXPECT_EQ(tokens.With("m3").Value(), 2u);
}

TEST_F(FamilyTest, GivesHistogramsCumulativeBuckets) {
  HistogramFamily<1> sizes(set, {"sizes", "Sizes", ""}, SizeBuckets(), {"method"});
  Histogram& get = sizes.With("Get");
  for (const double size : {1.0, 2.0, 3.0, 5000.0}) get.Record(size);
  const prometheus::ClientMetric::Histogram histogram = sizes.Collect().metric.at(0).histogram;
  EXPECT_EQ(histogram.sample_count, 4u);
  EXPECT_EQ(histogram.sample_sum, 5006);
  EXPECT_EQ(histogram.bucket.at(0).cumulative_count, 1u);
  EXPECT_EQ(histogram.bucket.at(2).cumulative_count, 3u);
  EXPECT_EQ(histogram.bucket.back().cumulative_count, 4u);
  EXPECT_TRUE(std::isinf(histogram.bucket.back().upper_bound));
}

}  // namespace
}  // namespace derin::server
