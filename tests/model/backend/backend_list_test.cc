#include "model/backend/backend_list.h"

#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace derin {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// A machine whose GPUs are all backends called `reference`, which no other way leads to here.
struct Gpus {
  absl::Status error;
  std::vector<int> asked_for;

  absl::StatusOr<ChosenBackend> Choose(std::string_view device, int threads = 0) {
    return ChooseBackend(device, threads,
                         [this](int ordinal) -> absl::StatusOr<std::unique_ptr<Backend>> {
                           asked_for.push_back(ordinal);
                           if (!error.ok()) return error;
                           return NewBackend("reference");
                         });
  }
};

std::string Name(const absl::StatusOr<ChosenBackend>& chosen) {
  return chosen.ok() ? chosen->backend->capabilities().backend : chosen.status().ToString();
}

TEST(BackendList, SaysWhichGpuItIs) {
  Gpus gpus;
  EXPECT_EQ(gpus.Choose("auto")->gpu, 0);
  EXPECT_EQ(gpus.Choose("cuda:3")->gpu, 3);
  EXPECT_EQ(gpus.Choose("cpu")->gpu, std::nullopt);
}

TEST(BackendList, RefusesAnUnknownNameListingThoseThereAre) {
  for (const char* name : {"tpu", "cuda:", "cuda:x", "cuda:-1", "cuda: 1", "cuda1", "cuda:0:1",
                           "cuda:99999999999", "CUDA", ""}) {
    Gpus gpus;
    const absl::Status status = gpus.Choose(name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("'" + std::string(name) + "'"),
                      HasSubstr("wanted one of: auto, cuda, cuda:N, cpu, reference")));
    EXPECT_TRUE(gpus.asked_for.empty());
    EXPECT_EQ(CheckDevice(name, 0), status);
  }
}

TEST(BackendList, KnowsTheDevicesThatAMachineMayHaveWithoutMakingAny) {
  for (const char* name : {"auto", "cuda", "cuda:7", "cpu", "reference"}) {
    EXPECT_TRUE(CheckDevice(name, 0).ok()) << name;
    EXPECT_TRUE(CheckDevice(name, 1).ok()) << name;
    EXPECT_EQ(CheckDevice(name, 1025).code(), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_TRUE(CheckDevice("auto", 2).ok());
  EXPECT_TRUE(CheckDevice("cpu", 2).ok());
  EXPECT_FALSE(CheckDevice("cuda", 2).ok());
}

TEST(BackendList, RefusesMoreThreadsThanABackendWorksWith) {
  EXPECT_EQ((*NewBackend("cpu", 3))->capabilities().threads, 3);
  const auto backend = NewBackend("reference", 2);
  EXPECT_EQ(backend.status().message(), "got 2 threads, wanted 0 to 1 for device 'reference'");
  Gpus gpus;
  EXPECT_EQ(gpus.Choose("cuda", 2).status().message(),
            "got 2 threads, wanted 0 to 1 for device 'cuda'");
}

TEST(BackendList, AutoTakesAGpuThatWorks) {
  Gpus gpus;
  const auto chosen = gpus.Choose("auto", 1);
  EXPECT_EQ(Name(chosen), "reference");
  EXPECT_EQ(chosen->why_no_gpu, "");
  EXPECT_EQ(gpus.asked_for, std::vector{0});
}

TEST(BackendList, AutoTakesTheProcessorWithoutAGpuAndSaysWhy) {
  Gpus gpus{.error = absl::UnavailableError("no NVIDIA driver"), .asked_for = {}};
  const auto chosen = gpus.Choose("auto");
  EXPECT_EQ(Name(chosen), "cpu");
  EXPECT_EQ(chosen->why_no_gpu, "no NVIDIA driver");
}

TEST(BackendList, AutoTakesTheProcessorWhenItsThreadsAreAskedFor) {
  Gpus gpus;
  const auto chosen = gpus.Choose("auto", 2);
  EXPECT_EQ(Name(chosen), "cpu");
  EXPECT_EQ(chosen->backend->capabilities().threads, 2);
  EXPECT_THAT(chosen->why_no_gpu, HasSubstr("threads"));
  EXPECT_TRUE(gpus.asked_for.empty());
}

TEST(BackendList, AGpuAskedForByItsNameIsTakenOrAnError) {
  Gpus gpus;
  EXPECT_EQ(Name(gpus.Choose("cuda")), "reference");
  EXPECT_EQ(Name(gpus.Choose("cuda:7")), "reference");
  EXPECT_EQ(gpus.asked_for, (std::vector{0, 7}));
  gpus.error = absl::NotFoundError("this process sees 1 of them");
  EXPECT_EQ(gpus.Choose("cuda:7").status(), gpus.error);
}

TEST(BackendList, AProcessorAskedForByItsNameSaysNothingOfGpus) {
  Gpus gpus;
  const auto chosen = gpus.Choose("cpu");
  EXPECT_EQ(Name(chosen), "cpu");
  EXPECT_EQ(chosen->why_no_gpu, "");
  EXPECT_TRUE(gpus.asked_for.empty());
}

}  // namespace
}  // namespace derin
