#include "model/backend/gpu_loader.h"

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/backend/backend_list.h"
#include "model/backend/backend_module.h"
#include "tests/temporary_folder.h"

namespace derin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

BackendModule the_module;
const BackendModule* Entry() { return &the_module; }

// A system of libraries in which the driver is there and the module is beside the program.
class GpuLoader : public testing::Test {
 protected:
  void SetUp() override {
    the_module = {
        .seam_version = SeamVersion().data(),
        .make = [](const GpuOptions& options) -> absl::StatusOr<std::unique_ptr<Backend>> {
          if (options.ordinal > 0) return absl::NotFoundError("there is one");
          return NewBackend("reference");
        }};
    std::filesystem::create_directories(libraries_.program_folder);
    module_ = libraries_.program_folder / "libderin_cuda.so";
    std::ofstream(module_) << "a module";
  }

  absl::Status Fail(int ordinal = 0) {
    return NewGpuBackend({.ordinal = ordinal}, libraries_).status();
  }
  std::string Message() { return std::string(Fail().message()); }

  TemporaryFolder folder_;
  std::filesystem::path module_;
  // What the system says when it is to open a library whose path ends so.
  std::map<std::string, std::string> errors_;
  std::vector<std::string> opened_;
  bool has_entry_ = true;
  LibraryLoader libraries_{.open = [this](const std::string& path) -> absl::StatusOr<void*> {
                             opened_.push_back(path);
                             for (const auto& [end, error] : errors_) {
                               if (path.ends_with(end)) return absl::UnavailableError(error);
                             }
                             return &the_module;
                           },
                           .find = [this](void*, const char* name) -> void* {
                             EXPECT_STREQ(name, "derin_backend_module");
                             return has_entry_ ? reinterpret_cast<void*>(&Entry) : nullptr;
                           },
                           .program_folder = folder_.path() / "bin"};
};

TEST_F(GpuLoader, MakesTheModulesBackend) {
  const auto backend = NewGpuBackend({}, libraries_);
  ASSERT_TRUE(backend.ok()) << backend.status();
  EXPECT_EQ((*backend)->capabilities().backend, "reference");
  EXPECT_EQ(Fail(1).message(), "there is one");
}

TEST_F(GpuLoader, FindsTheModuleInTheFolderOfLibraries) {
  std::filesystem::remove(module_);
  module_ = folder_.path() / "lib" / "derin" / "libderin_cuda.so";
  std::filesystem::create_directories(module_.parent_path());
  std::ofstream(module_) << "a module";
  EXPECT_TRUE(NewGpuBackend({}, libraries_).ok());
  EXPECT_THAT(opened_, ElementsAre("libcuda.so.1", module_.string()));
}

TEST_F(GpuLoader, WithoutADriverLooksNoFurther) {
  errors_["libcuda.so.1"] = "libcuda.so.1: cannot open shared object file";
  EXPECT_EQ(Message(), "no NVIDIA driver (libcuda.so.1)");
  EXPECT_EQ(Fail().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(opened_, testing::Each("libcuda.so.1"));
}

TEST_F(GpuLoader, SaysWhereItHasLookedForTheModule) {
  std::filesystem::remove(module_);
  EXPECT_EQ(Message(), "this program has no CUDA backend: there is neither " + module_.string() +
                           " nor " + folder_.path().string() + "/lib/derin/libderin_cuda.so");
}

TEST_F(GpuLoader, SaysWhatToInstallForALibraryThatIsMissing) {
  errors_["libderin_cuda.so"] =
      "libcudnn.so.9: cannot open shared object file: No such file or directory";
  EXPECT_THAT(Message(), StartsWith("libcudnn.so.9 cannot be loaded: install cuDNN 9 for CUDA 13"));
  EXPECT_THAT(Message(), HasSubstr("LD_LIBRARY_PATH"));
  errors_["libderin_cuda.so"] =
      "libcublasLt.so.13: cannot open shared object file: No such file or directory";
  EXPECT_THAT(Message(),
              StartsWith("libcublasLt.so.13 cannot be loaded: install cuBLAS of CUDA 13"));
}

TEST_F(GpuLoader, PassesOnWhatElseTheSystemSays) {
  errors_["libderin_cuda.so"] = "not an ELF file";
  EXPECT_EQ(Message(), module_.string() + " cannot be loaded: not an ELF file");
}

TEST_F(GpuLoader, RefusesALibraryThatIsNoModule) {
  has_entry_ = false;
  EXPECT_THAT(Message(), HasSubstr("is no backend"));
}

TEST_F(GpuLoader, RefusesAModuleOfAnotherBuildWithBothVersions) {
  the_module.seam_version = "0.0.1 0123";
  the_module.make = nullptr;
  EXPECT_EQ(Message(), module_.string() + " is of another build: got '0.0.1 0123', wanted '" +
                           std::string(SeamVersion()) + "'");
}

TEST_F(GpuLoader, TheSystemsLibrariesAreOpenedAndSearched) {
  const LibraryLoader system = SystemLibraries();
  const auto library = system.open("libm.so.6");
  ASSERT_TRUE(library.ok()) << library.status();
  EXPECT_NE(system.find(*library, "cos"), nullptr);
  EXPECT_EQ(system.find(*library, "derin_backend_module"), nullptr);
  EXPECT_THAT(std::string(system.open("libnowhere.so.1").status().message()),
              StartsWith("libnowhere.so.1: "));
  EXPECT_TRUE(std::filesystem::exists(system.program_folder / "derin_backend_test"));
}

// The module itself, without the driver that nothing here can do without.
TEST_F(GpuLoader, TheModuleThatWasBuiltIsLoaded) {
  LibraryLoader system = SystemLibraries();
  const auto open = system.open;
  system.open = [&](const std::string& path) -> absl::StatusOr<void*> {
    if (path == "libcuda.so.1") return nullptr;
    return open(path);
  };
  const auto backend = NewGpuBackend({}, system);
  if (backend.ok()) {
    EXPECT_EQ((*backend)->capabilities().backend, "cuda");
    return;
  }
  EXPECT_THAT(std::string(backend.status().message()),
              StartsWith(DERIN_HAS_CUDA_MODULE ? "no GPU: " : "this program has no CUDA backend"));
}

}  // namespace
}  // namespace derin
