#include "server/metrics/metric_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/metrics/family.h"

namespace derin::server {
namespace {

using prometheus::MetricFamily;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

struct MetricSetTest : testing::Test {
  MetricSet set{[] { return absl::Seconds(3); }};
};

TEST_F(MetricSetTest, CollectsItsMetricsInTheOrderOfTheirDeclaration) {
  CounterFamily<1> second(set, {"b_total", "Something", "bytes"}, {"model"});
  CounterFamily<1> first(set, {"a_total", "Something else", ""}, {"model"});
  second.With("m").Add();
  first.With("m").Add();
  EXPECT_THAT(set.Collect(), ElementsAre(Field(&MetricFamily::name, "b_total"),
                                         Field(&MetricFamily::name, "a_total")));
}

TEST_F(MetricSetTest, ShowsTheUnitBehindTheHelp) {
  CounterFamily<1> bytes(set, {"read_bytes_total", "What was read", "bytes"}, {"model"});
  CounterFamily<1> calls(set, {"calls_total", "Calls", ""}, {"model"});
  bytes.With("m").Add();
  calls.With("m").Add();
  EXPECT_THAT(set.Collect(), ElementsAre(Field(&MetricFamily::help, "What was read (bytes)"),
                                         Field(&MetricFamily::help, "Calls")));
}

TEST_F(MetricSetTest, LeavesAMetricWithoutSeriesOut) {
  CounterFamily<1> unused(set, {"unused_total", "Nothing", ""}, {"model"});
  EXPECT_THAT(set.Collect(), IsEmpty());
}

TEST_F(MetricSetTest, HasTheClockThatItWasGiven) { EXPECT_EQ(set.Now(), absl::Seconds(3)); }

}  // namespace
}  // namespace derin::server
