#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "model/backend/backend.h"
#include "model/backend/backend_module.h"

namespace derin {

// How shared libraries are come by.
struct LibraryLoader {
  // The library at a path, or of a name that is looked for where the system keeps libraries. Never
  // closed. The error's message is the system's own.
  std::function<absl::StatusOr<void*>(const std::string& path)> open;
  // Null when there is none of this name.
  std::function<void*(void* library, const char* name)> find;
  // Of the program that runs.
  std::filesystem::path program_folder;
};
LibraryLoader SystemLibraries();

// A GPU through the module libderin_cuda.so, which lies beside the program or in ../lib/derin seen
// from there. UNAVAILABLE where no GPU can be used, with the reason: no driver,
// no module, a module of another build, a library that it needs, and what to install; else what the
// module says.
absl::StatusOr<std::unique_ptr<Backend>> NewGpuBackend(
    const GpuOptions& options, const LibraryLoader& libraries = SystemLibraries());

}  // namespace derin
