// The suite of every backend on the machine's GPU, where there is one: link this in place of
// ../engines.cc.

#include "model/backend/backend_list.h"
#include "model/backend/cuda/cuda_backend.h"
#include "tests/model/backend/engines.h"

namespace derin {

std::unique_ptr<Backend> MakeBackend(const Engine& engine) {
  if (engine.backend != "cuda") return *NewBackend(engine.backend);
  return *cuda::NewCudaBackend(cuda::DeviceCalls(), 0);
}

std::vector<Engine> AllEngines() {
  if (!cuda::NewCudaBackend(cuda::DeviceCalls(), 0).ok()) return {};
  return {{"cuda", Precision::kF32}};
}

}  // namespace derin
