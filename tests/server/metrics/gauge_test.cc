#include "server/metrics/gauge.h"

#include <gtest/gtest.h>

#include <string>

#include "server/metrics/family.h"

namespace derin::server {
namespace {

struct GaugeTest : testing::Test {
  absl::Duration now;
  MetricSet set{[this] { return now; }};
};

TEST_F(GaugeTest, AsksItsSourceAtEachScrape) {
  double bytes = 1;
  CallbackGauge gauge(set, {"memory_bytes", "Memory", "bytes"});
  EXPECT_TRUE(gauge.Collect().metric.empty());
  gauge.BindValue([&bytes] { return bytes; });
  EXPECT_EQ(gauge.Collect().metric.at(0).gauge.value, 1);
  bytes = 2;
  EXPECT_EQ(gauge.Collect().metric.at(0).gauge.value, 2);
  gauge.Unbind();
  EXPECT_TRUE(gauge.Collect().metric.empty());
}

TEST_F(GaugeTest, HasOneSeriesForEachSampleOfItsSource) {
  CallbackGauge gauge(set, {"jobs", "Jobs", ""}, {"state"});
  gauge.Bind([] { return std::vector<CallbackGauge::Sample>{{{"queued"}, 3}, {{"running"}, 1}}; });
  const prometheus::MetricFamily family = gauge.Collect();
  ASSERT_EQ(family.metric.size(), 2u);
  EXPECT_EQ(family.metric[0].label.at(0).value, "queued");
  EXPECT_EQ(family.metric[0].gauge.value, 3);
}

TEST_F(GaugeTest, RemovesSeriesOfAnOwnerWhenTheirTimeIsUp) {
  GaugeFamily perplexity(set, {"perplexity", "Perplexity", ""}, {"job", "split"});
  perplexity.Set({"a", "training"}, 5);
  perplexity.Set({"a", "validation"}, 6);
  perplexity.Set({"b", "training"}, 7);
  perplexity.RemoveAfter("a", absl::Minutes(5));
  now += absl::Minutes(5) - absl::Milliseconds(1);
  EXPECT_EQ(perplexity.Collect().metric.size(), 3u);
  now += absl::Milliseconds(1);
  const prometheus::MetricFamily family = perplexity.Collect();
  ASSERT_EQ(family.metric.size(), 1u);
  EXPECT_EQ(family.metric[0].label.at(0).value, "b");
}

TEST_F(GaugeTest, KeepsASeriesThatIsSetAgain) {
  GaugeFamily ratio(set, {"ratio", "Ratio", ""}, {"job"});
  ratio.Set({"a"}, 0.5);
  ratio.RemoveAfter("a", absl::Minutes(5));
  ratio.Set({"a"}, 0.75);
  now += absl::Hours(1);
  ASSERT_EQ(ratio.Collect().metric.size(), 1u);
  EXPECT_EQ(ratio.Collect().metric[0].gauge.value, 0.75);
}

TEST_F(GaugeTest, MakesRoomWithTheSeriesThatGoesFirst) {
  GaugeFamily ratio(set, {"ratio", "Ratio", ""}, {"job"});
  for (size_t i = 0; i < kMaxSeries; ++i) ratio.Set({"job-" + std::to_string(i)}, 1);
  ratio.RemoveAfter("job-7", absl::Minutes(2));
  ratio.RemoveAfter("job-8", absl::Minutes(1));
  ratio.Set({"new"}, 1);
  const prometheus::MetricFamily family = ratio.Collect();
  EXPECT_EQ(family.metric.size(), kMaxSeries);
  bool has_7 = false, has_8 = false, has_new = false;
  for (const prometheus::ClientMetric& metric : family.metric) {
    has_7 = has_7 || metric.label[0].value == "job-7";
    has_8 = has_8 || metric.label[0].value == "job-8";
    has_new = has_new || metric.label[0].value == "new";
  }
  EXPECT_TRUE(has_7);
  EXPECT_FALSE(has_8);
  EXPECT_TRUE(has_new);
}

}  // namespace
}  // namespace derin::server
