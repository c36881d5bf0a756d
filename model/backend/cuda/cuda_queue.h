#pragma once

#include <cstdint>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "model/backend/cuda/device.h"
#include "model/backend/cuda/kernels/fault.h"
#include "model/backend/cuda/matrix_product.h"
#include "model/backend/queue.h"

namespace derin::cuda {

class Branch;

// A CUDA stream with its own library handles, its scratch memory, the page-locked memory through
// which small uploads and the kernels' faults travel, and a branch for what may go on beside.
class CudaQueue : public Queue {
 public:
  static absl::StatusOr<std::unique_ptr<CudaQueue>> Create(std::shared_ptr<Device> device,
                                                           QueuePriority priority);
  ~CudaQueue() override;

  Ticket Signal() override;
  absl::Status Wait(Ticket ticket) override;

  // Before an operation: whether the queue still works; then its GPU is the calling thread's own,
  // and what the branch has comes before.
  bool Begin();
  // The same, but the branch goes on beside.
  bool BeginBeside();
  const absl::Status& status() const { return status_; }
  void Fail(absl::Status status);
  // Records a failed call; whether all have gone well so far.
  template <class Error>
  bool Try(Error error, const char* call) {
    if (status_.ok()) Fail(device_->Check(error, call));
    return status_.ok();
  }

  template <class Kernel>
  bool Launch(const Kernel& kernel) {
    return LaunchOn(stream(), kernel);
  }
  // On another stream of the device.
  template <class Kernel>
  bool LaunchOn(cudaStream_t stream, const Kernel& kernel) {
    return status_.ok() &&
           Try(std::get<Launcher<Kernel>>(device_->calls().kernels)(kernel, stream), Kernel::kName);
  }
  // Computes `product`; see MatrixProducts.
  void Multiply(const MatrixProduct& product);

  // What follows on the branch comes after all that the queue has so far, and before the queue's
  // next operation, or Join. Null when the queue has failed. Scratch that the branch uses is in use
  // until then.
  Branch* Fork();
  // What follows on the queue comes after all that the branch has so far.
  void Join();

  // `to` = `bytes` from the host, which may change as soon as this returns.
  void Upload(const void* from, void* to, size_t bytes);

  // Room for whatever one operation needs between its kernels, until the next operation asks. Null
  // when there is none; then the queue has failed. What was given once stays allocated as long as
  // the queue, since recordings hold its address: in all less than four times the most asked for,
  // and no more than was asked for where that comes first.
  void* Scratch(size_t bytes);

  Device& device() { return *device_; }
  cudaStream_t stream() const { return stream_.get(); }
  cudnnHandle_t cudnn() const { return cudnn_.get(); }
  FaultWord* fault() const { return reinterpret_cast<FaultWord*>(fault_.view().data); }

 private:
  CudaQueue(std::shared_ptr<Device> device, QueuePriority priority);
  absl::Status Prepare();
  // Blocks until all work of the queue and its branch is done, whatever has failed.
  void AwaitStreams();
  // Fails the queue with what the kernels have found.
  void ReadFault();

  static constexpr int kEvents = 8;
  static constexpr int kStages = 16;
  static constexpr size_t kStageBytes = 8192;

  const std::shared_ptr<Device> device_;
  absl::Status status_;
  Owned<cudaStream_t> stream_;
  Owned<cudnnHandle_t> cudnn_;
  std::unique_ptr<MatrixProducts> products_;
  Owned<cudaEvent_t> events_[kEvents];  // ticket t is events_[t % kEvents], or a later one's
  Ticket tickets_ = 0;
  Owned<cudaEvent_t> stage_free_[kStages];
  Buffer stages_;  // host, [kStages, kStageBytes]
  int64_t uploads_ = 0;
  Buffer fault_;  // host, one FaultWord
  std::vector<Buffer> scratch_;
  const QueuePriority priority_;
  std::unique_ptr<Branch> branch_;  // made when it is first wanted
  bool forked_ = false;
};

}  // namespace derin::cuda
