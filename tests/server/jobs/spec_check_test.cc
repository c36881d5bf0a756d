#include "server/jobs/spec_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "server/status/error.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;

TEST(SpecCheck, TakesEachBoundAndNamesWhatIsBeyond) {
  EXPECT_TRUE(CheckInteger("batch", 1, 1, 512).ok());
  EXPECT_TRUE(CheckInteger("batch", 512, 1, 512).ok());
  const absl::Status status = CheckInteger("batch", 513, 1, 512);
  EXPECT_EQ(ErrorField(status), "training_job.spec.batch");
  EXPECT_THAT(std::string(status.message()), HasSubstr("got 513, wanted 1 to 512"));
}

TEST(SpecCheck, NothingThatIsNoNumberIsInRange) {
  EXPECT_TRUE(CheckReal("clip", 2, true, "above 0").ok());
  EXPECT_FALSE(CheckReal("clip", 0, false, "above 0").ok());
  EXPECT_FALSE(CheckReal("clip", std::nan(""), true, "above 0").ok());
  EXPECT_FALSE(CheckReal("clip", std::numeric_limits<double>::infinity(), true, "above 0").ok());
}

TEST(SpecCheck, IntervalsAreFromASecondToADay) {
  EXPECT_TRUE(CheckInterval("sample.interval", absl::Seconds(1)).ok());
  EXPECT_TRUE(CheckInterval("sample.interval", absl::Hours(24)).ok());
  EXPECT_FALSE(CheckInterval("sample.interval", absl::Milliseconds(999)).ok());
  EXPECT_FALSE(CheckInterval("sample.interval", absl::InfiniteDuration()).ok());
}

TEST(SpecCheck, SaysWhichValueOfAnEnumerationIsUnknown) {
  const absl::Status status = UnknownValue("partition", 9, "one of two");
  EXPECT_EQ(ErrorField(status), "training_job.spec.partition");
  EXPECT_THAT(std::string(status.message()), HasSubstr("got value 9, wanted one of two"));
}

}  // namespace
}  // namespace derin::server
