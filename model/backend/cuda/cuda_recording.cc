#include "model/backend/cuda/cuda_recording.h"

#include "model/backend/cuda/cuda_queue.h"
#include "model/check.h"

namespace derin::cuda {

void CudaRecording::Run(Queue& queue) {
  CudaQueue& cuda = static_cast<CudaQueue&>(queue);
  if (!cuda.Begin()) return;
  if (recorded_on_ == nullptr) {
    recorded_on_ = &queue;
    return body_(queue);
  }
  DERIN_CHECK(recorded_on_ == &queue);
  const RuntimeCalls& runtime = device_->calls().runtime;
  if (graph_ == nullptr) {
    // Thread-local: what other threads allocate meanwhile does not matter.
    if (!cuda.Try(runtime.StreamBeginCapture(cuda.stream(), cudaStreamCaptureModeThreadLocal),
                  "cudaStreamBeginCapture")) {
      return;
    }
    body_(queue);
    cuda.Join();
    // Ended whether the body went well or not, or the stream would stay as it is.
    Attempt attempt(*device_);
    Owned<cudaGraph_t> captured;
    attempt.Make(
        captured, "cudaStreamEndCapture",
        [&](cudaGraph_t* made) { return runtime.StreamEndCapture(cuda.stream(), made); },
        runtime.GraphDestroy);
    if (!cuda.status().ok()) return;
    attempt.status().ok() && attempt.Make(
                                 graph_, "cudaGraphInstantiate",
                                 [&](cudaGraphExec_t* made) {
                                   return runtime.GraphInstantiate(made, captured.get(), 0);
                                 },
                                 runtime.GraphExecDestroy);
    if (!attempt.status().ok()) return cuda.Fail(attempt.status());
  }
  cuda.Try(runtime.GraphLaunch(graph_.get(), cuda.stream()), "cudaGraphLaunch");
}

}  // namespace derin::cuda
