#include "server/metrics/process_figures.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "absl/time/clock.h"

namespace derin::server {
namespace {

TEST(ProcessFigures, CountOpenFileDescriptors) {
  const double before = ProcessOpenFileDescriptors();
  const int descriptor = open("/dev/null", O_RDONLY);
  ASSERT_GE(descriptor, 0);
  EXPECT_EQ(ProcessOpenFileDescriptors(), before + 1);
  close(descriptor);
  EXPECT_EQ(ProcessOpenFileDescriptors(), before);
}

TEST(ProcessFigures, AreOfThisProcess) {
  EXPECT_GT(ProcessResidentMemoryBytes(), 100'000);
  EXPECT_GE(ProcessCpuSeconds(), 0);
  const double now = absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch());
  EXPECT_LE(ProcessStartTimeSeconds(), now + 1);
  EXPECT_GT(ProcessStartTimeSeconds(), now - 3600);
}

TEST(ProcessFigures, CpuTimeRises) {
  const double before = ProcessCpuSeconds();
  // The system counts in ticks of a hundredth of a second.
  volatile double sum = 0;
  while (ProcessCpuSeconds() == before) sum = sum + 1;
  EXPECT_GT(ProcessCpuSeconds(), before);
}

}  // namespace
}  // namespace derin::server
