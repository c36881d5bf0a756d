#include "model/backend/backend_module.h"
#include "model/backend/cuda/cuda_backend.h"

// For NewGpuBackend, which finds it by its name.
extern "C" __attribute__((visibility("default"))) const derin::BackendModule*
derin_backend_module() {
  static const derin::BackendModule module = {
      .seam_version = derin::SeamVersion().data(), .make = [](int ordinal) {
        return derin::cuda::NewCudaBackend(derin::cuda::DeviceCalls(), ordinal);
      }};
  return &module;
}
