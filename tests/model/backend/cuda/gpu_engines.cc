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
  const auto backend = cuda::NewCudaBackend(cuda::DeviceCalls(), 0);
  std::vector<Engine> engines;
  if (!backend.ok()) return engines;
  for (const Precision precision : (*backend)->capabilities().precisions) {
    engines.push_back({"cuda", precision});
  }
  return engines;
}

}  // namespace derin
