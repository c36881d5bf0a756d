#include <dlfcn.h>

#include <string>
#include <system_error>
#include <vector>

#include "model/backend/backend_module.h"
#include "model/backend/cuda/cuda_backend.h"
#include "model/backend/cuda/timing_process.h"

namespace derin::cuda {
namespace {

// Beside this module; empty where it is not.
std::string TimingProgram() {
  Dl_info module = {};
  std::error_code ignored;
  if (dladdr(reinterpret_cast<const void*>(&TimingProgram), &module) == 0) return "";
  const std::filesystem::path program =
      std::filesystem::path(module.dli_fname).parent_path() / "derin_cuda_timing";
  return std::filesystem::exists(program, ignored) ? program.string() : "";
}

}  // namespace
}  // namespace derin::cuda

// For NewGpuBackend, which finds it by its name.
extern "C" __attribute__((visibility("default"))) const derin::BackendModule*
derin_backend_module() {
  using derin::GpuOptions;
  static const derin::BackendModule module = {
      .seam_version = derin::SeamVersion().data(), .make = [](const GpuOptions& options) {
        return derin::cuda::NewCudaBackend(
            derin::cuda::DeviceCalls(), options.ordinal,
            {.timing_program = derin::cuda::TimingProgram(), .known_file = options.measurements});
      }};
  return &module;
}

// For timing_main.cc.
extern "C" __attribute__((visibility("default"))) int derin_cuda_timing(int argc, char** argv) {
  return derin::cuda::AnswerTimings(derin::cuda::DeviceCalls(), {argv + 1, argv + argc}, stdout);
}
