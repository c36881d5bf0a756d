#include "model/backend/cuda/branch.h"

#include <utility>

namespace derin::cuda {

absl::StatusOr<std::unique_ptr<Branch>> Branch::Create(CudaQueue& queue, QueuePriority priority) {
  auto branch = std::unique_ptr<Branch>(new Branch(queue));
  Device& device = queue.device();
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

void Branch::Fork() { Order(forked_, queue_.stream(), stream_.get()); }

void Branch::Join() { Order(joined_, stream_.get(), queue_.stream()); }

void Branch::Order(const Owned<cudaEvent_t>& event, cudaStream_t before, cudaStream_t after) {
  if (!queue_.status().ok()) return;
  const RuntimeCalls& runtime = queue_.device().calls().runtime;
  queue_.Try(runtime.EventRecord(event.get(), before), "cudaEventRecord") &&
      queue_.Try(runtime.StreamWaitEvent(after, event.get(), 0), "cudaStreamWaitEvent");
}

void Branch::Multiply(const MatrixProduct& product) {
  if (queue_.status().ok()) queue_.Fail(products_->Enqueue(product, stream_.get()));
}

void Branch::Clear(View view) {
  if (!queue_.status().ok()) return;
  queue_.Try(queue_.device().calls().runtime.MemsetAsync(view.data, 0, view.bytes(), stream_.get()),
             "cudaMemsetAsync");
}

}  // namespace derin::cuda
