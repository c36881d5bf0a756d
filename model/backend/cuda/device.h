#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "model/backend/cuda/cuda_calls.h"
#include "model/backend/view.h"

namespace derin::cuda {

// One GPU: what it is, its memory, and what its errors mean. Any thread may use it.
class Device : public std::enable_shared_from_this<Device> {
 public:
  // GPU number `ordinal` of those that the process sees. UNAVAILABLE when there is none that works
  // here, with both versions when the driver is too old, NOT_FOUND with their number when `ordinal`
  // is beyond them, FAILED_PRECONDITION when the GPU is older than what the kernels are built for
  // (compute capability 8.0).
  static absl::StatusOr<std::shared_ptr<Device>> Open(const CudaCalls& calls, int ordinal);

  const CudaCalls& calls() const { return calls_; }
  const std::string& name() const { return name_; }
  // Such as `sm_90`.
  const std::string& architecture() const { return architecture_; }

  // Ok, or what went wrong, with the call's name: RESOURCE_EXHAUSTED out of memory, UNIMPLEMENTED
  // for what cuDNN does not support, UNAVAILABLE
  // when the GPU is of no use to this process any more, INTERNAL else.
  absl::Status Check(cudaError_t error, const char* call);
  absl::Status Check(cudnnStatus_t error, const char* call);
  absl::Status Check(cublasStatus_t error, const char* call);

  // The error that ended the GPU's use, once there was one.
  absl::Status lost() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Backend::OnLost.
  void OnLost(std::function<void(const absl::Status&)> told)
      ABSL_LOCKS_EXCLUDED(mutex_, telling_mutex_);

  // Makes this GPU the calling thread's own, which every call of the runtime refers to.
  absl::Status Enter();
  int64_t FreeBytes();
  int64_t total_bytes() const { return total_bytes_; }
  // RESOURCE_EXHAUSTED with both numbers when `wanted` bytes are not free.
  absl::Status CheckFree(int64_t wanted);

  // On the GPU, aligned to 256 bytes and not zeroed; or page-locked in the host's memory, zeroed.
  // RESOURCE_EXHAUSTED with the bytes wanted and free.
  absl::StatusOr<Buffer> Allocate(ElementType type, size_t count);
  absl::StatusOr<Buffer> AllocateOnHost(ElementType type, size_t count);
  struct Wanted {
    Buffer* place;
    ElementType type;
    int64_t count;
  };
  // Allocate for each, until one fails.
  absl::Status AllocateAll(std::initializer_list<Wanted> wanted);

  int multiprocessors() const { return multiprocessors_; }
  // The most shared memory that a block may have, where its kernel asks for more than all get.
  int64_t shared_bytes() const { return shared_bytes_; }
  // Of the cache that all multiprocessors share.
  int64_t cache_bytes() const { return cache_bytes_; }
  int priority_of_training() const { return priority_of_training_; }
  int priority_of_generation() const { return priority_of_generation_; }

 private:
  Device(const CudaCalls& calls, int ordinal) : calls_(calls), ordinal_(ordinal) {}
  absl::Status ReadFacts();
  // `message` says what ended the GPU's use. What ended it first.
  absl::Status Lose(const std::string& message) ABSL_LOCKS_EXCLUDED(mutex_, telling_mutex_);
  // Of one of the libraries, which do not say whether the GPU can be used any more.
  absl::Status LibraryError(const std::string& message, bool of_memory);

  const CudaCalls calls_;
  const int ordinal_;
  std::string name_, architecture_;
  int multiprocessors_ = 0;
  int64_t shared_bytes_ = 0;
  int64_t cache_bytes_ = 0;
  int64_t total_bytes_ = 0;
  int priority_of_training_ = 0, priority_of_generation_ = 0;

  mutable absl::Mutex mutex_;
  absl::Status lost_ ABSL_GUARDED_BY(mutex_);
  absl::Mutex telling_mutex_;
  std::function<void(const absl::Status&)> told_ ABSL_GUARDED_BY(telling_mutex_);
};

// A handle or descriptor of one of the libraries, destroyed as it wants to be.
template <class Handle>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>,
                              std::function<void(std::remove_pointer_t<Handle>*)>>;

// A number of calls of which each is made only if those before it went well:
//   Attempt attempt(device);
//   attempt(calls.A(), "A") && attempt(calls.B(), "B");
//   return attempt.status();
class Attempt {
 public:
  explicit Attempt(Device& device) : device_(device) {}

  template <class Error>
  bool operator()(Error error, const char* call) {
    if (status_.ok()) status_ = device_.Check(error, call);
    return status_.ok();
  }
  // Creates a handle with `create` and puts it into `to`, to be destroyed by `destroy`.
  template <class Pointer, class Create, class Destroy>
  bool Make(Pointer& to, const char* call, const Create& create, Destroy destroy) {
    typename Pointer::pointer handle = nullptr;
    if (!(*this)(create(&handle), call)) return false;
    to = Pointer(handle, [destroy](typename Pointer::pointer made) { destroy(made); });
    return true;
  }
  bool Fail(absl::Status status) {
    if (status_.ok()) status_ = std::move(status);
    return false;
  }

  const absl::Status& status() const { return status_; }

 private:
  Device& device_;
  absl::Status status_;
};

}  // namespace derin::cuda
