#include <dlfcn.h>

#include <cstdio>
#include <filesystem>
#include <system_error>

// Times algorithms for the CUDA backend, whose module lies beside this program and does it all; see
// timing_process.h.
int main(int argc, char** argv) {
  std::error_code error;
  const std::filesystem::path module =
      std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / "libderin_cuda.so";
  void* library = dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
  using Answer = int(int argc, char** argv);
  auto* answer =
      library == nullptr ? nullptr : reinterpret_cast<Answer*>(dlsym(library, "derin_cuda_timing"));
  if (answer == nullptr) {
    std::fprintf(stderr, "derin_cuda_timing: %s\n", dlerror());
    return 1;
  }
  return answer(argc, argv);
}
