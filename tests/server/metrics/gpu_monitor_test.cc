#include "server/metrics/gpu_monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "fake_nvml.h"
#include "prometheus/text_serializer.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(GpuMonitor, MeasuresTheGpuThatTheProcessUses) {
  FakeNvml nvml;
  {
    const auto monitor = GpuMonitor::Open(FakeNvml::Calls(), 1);
    ASSERT_TRUE(monitor.ok()) << monitor.status();
    EXPECT_EQ((*monitor)->UsedBytes(), 30);
    EXPECT_EQ((*monitor)->Utilization(), 0.75);
    EXPECT_EQ((*monitor)->Celsius(), 61);
    EXPECT_EQ((*monitor)->Watts(), 350.5);
    EXPECT_EQ(nvml.users, 1);
  }
  EXPECT_EQ(nvml.users, 0);
}

TEST(GpuMonitor, SaysWhichCallFailed) {
  FakeNvml nvml;
  EXPECT_EQ(GpuMonitor::Open(FakeNvml::Calls(), 0).status(),
            absl::UnavailableError("nvmlDeviceGetHandleByPciBusId_v2 failed with 6"));
  nvml.init_error = 9;
  EXPECT_EQ(GpuMonitor::Open(FakeNvml::Calls(), 1).status(),
            absl::UnavailableError("nvmlInit_v2 failed with 9"));
  nvml.driver_error = 3;
  EXPECT_EQ(GpuMonitor::Open(FakeNvml::Calls(), 1).status(),
            absl::UnavailableError("cuDeviceGet failed with 3"));
  EXPECT_EQ(nvml.users, 0);
}

TEST(GpuMonitor, GaugesAreThereWhereTheGpuKnowsThem) {
  FakeNvml nvml;
  ServerMetrics metrics;
  const auto monitor = GpuMonitor::Open(FakeNvml::Calls(), 1);
  ASSERT_TRUE(monitor.ok()) << monitor.status();
  (*monitor)->BindTo(metrics);
  const auto text = [&] { return prometheus::TextSerializer().Serialize(metrics.all.Collect()); };
  EXPECT_THAT(text(), HasSubstr("\nderin_device_used_memory_bytes 30\n"));
  EXPECT_THAT(text(), HasSubstr("\nderin_device_utilization_ratio 0.75\n"));
  EXPECT_THAT(text(), HasSubstr("\nderin_device_temperature_celsius 61\n"));
  EXPECT_THAT(text(), HasSubstr("\nderin_device_power_watts 350.5\n"));
  nvml.other_error = 3;  // not supported, as on a part of a GPU
  EXPECT_THAT(text(), HasSubstr("\nderin_device_used_memory_bytes 30\n"));
  for (const char* name : {"utilization", "temperature", "power"}) {
    EXPECT_THAT(text(), Not(HasSubstr("derin_device_" + std::string(name))));
  }
}

}  // namespace
}  // namespace derin::server
