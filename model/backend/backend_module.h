#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "model/backend/backend.h"

namespace derin {

// A backend in a shared library of its own, which a program loads when it runs: so the program also
// starts where the libraries are missing that the backend needs.

// What program and module must have been built alike: the version, the headers of the seam, the
// compiler and Abseil's version, as words with spaces between them.
std::string_view SeamVersion();

// What is to be made of a module.
struct GpuOptions {
  int ordinal = 0;  // of the GPUs that the process sees
  // Where the backend keeps what it measured of the GPU; empty: nowhere.
  std::filesystem::path measurements;
};

struct BackendModule {
  // The module's SeamVersion, 0-terminated. First, so that it can be read of any module; of another
  // version nothing else may be.
  const char* seam_version;
  // Errors are for people.
  absl::StatusOr<std::unique_ptr<Backend>> (*make)(const GpuOptions& options);
};

// The one function of a module, `extern "C"` under this name.
using BackendModuleEntry = const BackendModule*();
inline constexpr char kBackendModuleEntry[] = "derin_backend_module";

}  // namespace derin
