// The suite of every backend on a GPU that is none: link this in place of ../engines.cc.

#include "model/backend/backend_list.h"
#include "model/backend/cuda/cuda_backend.h"
#include "tests/model/backend/cuda/fake_gpu.h"
#include "tests/model/backend/engines.h"

namespace derin {

std::unique_ptr<Backend> MakeBackend(const Engine& engine) {
  if (engine.backend != "cuda") return *NewBackend(engine.backend);
  // All tests of the program share one, and so does what they leave behind.
  static cuda::FakeGpu gpu;
  return *cuda::NewCudaBackend(cuda::FakeGpu::calls(), 0);
}

std::vector<Engine> AllEngines() {
  return {{"cuda", Precision::kF32},
          {"cuda", Precision::kTf32},
          {"cuda", Precision::kF16},
          {"cuda", Precision::kBf16}};
}

}  // namespace derin
