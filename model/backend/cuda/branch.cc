#include "model/backend/cuda/branch.h"

#include <utility>

namespace derin::cuda {

absl::StatusOr<std::unique_ptr<Branch>> Branch::Create(Device& device, QueuePriority priority) {
  auto branch = std::unique_ptr<Branch>(new Branch);
  const RuntimeCalls& runtime = device.calls().runtime;
  const int number = priority == QueuePriority::kGeneration ? device.priority_of_generation()
                                                            : device.priority_of_training();
  Attempt attempt(device);
  const auto make_event = [&](cudaEvent_t* made) {
    return runtime.EventCreateWithFlags(made, cudaEventDisableTiming);
  };
  attempt.Make(
      branch->stream_, "cudaStreamCreateWithPriority",
      [&](cudaStream_t* made) {
        return runtime.StreamCreateWithPriority(made, cudaStreamNonBlocking, number);
      },
      runtime.StreamDestroy) &&
      attempt.Make(branch->forked_, "cudaEventCreateWithFlags", make_event, runtime.EventDestroy) &&
      attempt.Make(branch->joined_, "cudaEventCreateWithFlags", make_event, runtime.EventDestroy);
  if (!attempt.status().ok()) return attempt.status();
  auto products = MatrixProducts::Create(device);
  if (!products.ok()) return products.status();
  branch->products_ = *std::move(products);
  return branch;
}

void Branch::Fork(CudaQueue& queue) { Order(queue, forked_, queue.stream(), stream_.get()); }

void Branch::Join(CudaQueue& queue) { Order(queue, joined_, stream_.get(), queue.stream()); }

void Branch::Order(CudaQueue& queue, const Owned<cudaEvent_t>& event, cudaStream_t before,
                   cudaStream_t after) {
  if (!queue.status().ok()) return;
  const RuntimeCalls& runtime = queue.device().calls().runtime;
  queue.Try(runtime.EventRecord(event.get(), before), "cudaEventRecord") &&
      queue.Try(runtime.StreamWaitEvent(after, event.get(), 0), "cudaStreamWaitEvent");
}

void Branch::Multiply(CudaQueue& queue, const MatrixProduct& product) {
  if (queue.status().ok()) queue.Fail(products_->Enqueue(product, stream_.get()));
}

}  // namespace derin::cuda
