#include "model/backend/gpu_loader.h"

#include <dlfcn.h>

#include <string_view>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace derin {
namespace {

constexpr char kDriver[] = "libcuda.so.1";
constexpr char kModule[] = "libderin_cuda.so";

// What to install when the module cannot be loaded for want of a library whose name begins so.
struct Need {
  std::string_view library;
  std::string_view install;
};
constexpr Need kNeeds[] = {
    {"libcudnn", "cuDNN 9 for CUDA 13 (in Python's packages: nvidia-cudnn-cu13)"},
    {"libcublasLt", "cuBLAS of CUDA 13 (in Python's packages: nvidia-cublas)"},
};

absl::StatusOr<std::filesystem::path> FindModule(const std::filesystem::path& program_folder) {
  const std::filesystem::path beside = program_folder / kModule;
  const std::filesystem::path apart =
      (program_folder / ".." / "lib" / "derin" / kModule).lexically_normal();
  std::error_code ignored;
  for (const auto& path : {beside, apart}) {
    if (std::filesystem::exists(path, ignored)) return path;
  }
  return absl::UnavailableError(
      absl::StrFormat("this program has no CUDA backend: there is neither %s nor %s",
                      beside.string(), apart.string()));
}

// What the system says is `LIBRARY: what is wrong with it`.
absl::Status CannotLoad(const std::filesystem::path& module, std::string_view said) {
  const std::string library(said.substr(0, said.find(':')));
  for (const Need& need : kNeeds) {
    if (!library.starts_with(need.library)) continue;
    return absl::UnavailableError(absl::StrFormat(
        "%s cannot be loaded: install %s where the loader finds it, such as in a folder of "
        "LD_LIBRARY_PATH (%s)",
        library, std::string(need.install), std::string(said)));
  }
  return absl::UnavailableError(
      absl::StrFormat("%s cannot be loaded: %s", module.string(), std::string(said)));
}

}  // namespace

LibraryLoader SystemLibraries() {
  std::error_code error;
  return {
      .open = [](const std::string& path) -> absl::StatusOr<void*> {
        // At once rather than at its first call: whatever is missing is to be said now.
        if (void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
        return absl::UnavailableError(dlerror());
      },
      .find = [](void* library, const char* name) { return dlsym(library, name); },
      .program_folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path(),
  };
}

absl::StatusOr<std::unique_ptr<Backend>> NewGpuBackend(const GpuOptions& options,
                                                       const LibraryLoader& libraries) {
  // Before anything else: without a driver no other library is worth a word.
  if (!libraries.open(kDriver).ok()) {
    return absl::UnavailableError(absl::StrCat("no NVIDIA driver (", kDriver, ")"));
  }
  const absl::StatusOr<std::filesystem::path> path = FindModule(libraries.program_folder);
  if (!path.ok()) return path.status();
  const absl::StatusOr<void*> library = libraries.open(path->string());
  if (!library.ok()) {
    const absl::string_view said = library.status().message();
    return CannotLoad(*path, {said.data(), said.size()});
  }
  auto* entry =
      reinterpret_cast<BackendModuleEntry*>(libraries.find(*library, kBackendModuleEntry));
  if (entry == nullptr) {
    return absl::UnavailableError(
        absl::StrFormat("%s is no backend: it has no %s", path->string(), kBackendModuleEntry));
  }
  const BackendModule* module = entry();
  if (module->seam_version != SeamVersion()) {
    return absl::UnavailableError(absl::StrFormat("%s is of another build: got '%s', wanted '%s'",
                                                  path->string(), module->seam_version,
                                                  std::string(SeamVersion())));
  }
  return module->make(options);
}

}  // namespace derin
