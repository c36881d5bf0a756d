#include "server/metrics/nvml_calls.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace derin::server {
namespace {

// Libraries that have every function but one.
struct FakeLibraries {
  std::vector<std::string> opened;
  std::string missing;

  LibraryLoader Loader() {
    return {.open = [this](const std::string& path) -> absl::StatusOr<void*> {
              if (path == missing) return absl::NotFoundError(path + ": no such file");
              opened.push_back(path);
              return &opened;
            },
            .find = [this](void*, const char* name) -> void* {
              return name == missing ? nullptr : &missing;
            },
            .program_folder = {}};
  }
};

TEST(NvmlCalls, AreFoundInTheDriversLibraries) {
  FakeLibraries libraries;
  const auto calls = LoadNvml(libraries.Loader());
  ASSERT_TRUE(calls.ok()) << calls.status();
  EXPECT_EQ(libraries.opened, (std::vector<std::string>{"libnvidia-ml.so.1", "libcuda.so.1"}));
  EXPECT_NE(calls->nvmlDeviceGetPowerUsage, nullptr);
  EXPECT_NE(calls->cuDeviceGetPCIBusId, nullptr);
}

TEST(NvmlCalls, WhatIsMissingIsNamed) {
  for (const char* missing : {"libnvidia-ml.so.1", "libcuda.so.1", "nvmlShutdown", "cuDeviceGet"}) {
    FakeLibraries libraries{.opened = {}, .missing = missing};
    const absl::Status status = LoadNvml(libraries.Loader()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << missing;
    EXPECT_NE(status.message().find(missing), absl::string_view::npos) << status;
  }
}

}  // namespace
}  // namespace derin::server
