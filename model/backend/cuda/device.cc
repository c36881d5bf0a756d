#include "model/backend/cuda/device.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_format.h"

namespace derin::cuda {
namespace {

// After these no call of this process succeeds any more (CUDA runtime API, cudaError: "the process
// must be terminated and relaunched").
bool EndsAllUse(cudaError_t error) {
  switch (error) {
    case cudaErrorAssert:
    case cudaErrorContained:
    case cudaErrorContextIsDestroyed:
    case cudaErrorECCUncorrectable:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalAddress:
    case cudaErrorIllegalInstruction:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorMisalignedAddress:
    case cudaErrorMpsClientTerminated:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorExternalDevice:
    case cudaErrorTensorMemoryLeak:
      return true;
    default:
      return false;
  }
}

// Why the runtime counts no GPUs.
absl::Status NoGpu(const RuntimeCalls& runtime, cudaError_t error) {
  int known = 0;
  // A driver that is not there has version 0.
  if (error == cudaErrorInsufficientDriver && runtime.DriverGetVersion(&known) == cudaSuccess &&
      known > 0) {
    constexpr int kWanted = CUDART_VERSION / 1000;
    return absl::UnavailableError(
        absl::StrFormat("the NVIDIA driver is too old: it is for CUDA %d.%d, wanted one for CUDA "
                        "%d.0 or newer (version 580 or newer)",
                        known / 1000, known % 1000 / 10, kWanted));
  }
  return absl::UnavailableError(absl::StrFormat(
      "no GPU: %s", error == cudaSuccess ? "there is none" : runtime.GetErrorString(error)));
}

absl::Status NotEnough(int64_t wanted, int64_t free) {
  return absl::ResourceExhaustedError(
      absl::StrFormat("wanted %d bytes of the GPU's memory, %d are free", wanted, free));
}

}  // namespace

absl::StatusOr<std::shared_ptr<Device>> Device::Open(const CudaCalls& calls, int ordinal) {
  std::shared_ptr<Device> device(new Device(calls, ordinal));
  int count = 0;
  if (const cudaError_t error = calls.runtime.GetDeviceCount(&count);
      error != cudaSuccess || count == 0) {
    return NoGpu(calls.runtime, error);
  }
  if (ordinal < 0 || ordinal >= count) {
    return absl::NotFoundError(absl::StrFormat(
        "got GPU number %d, and this process sees %d of them, counting from 0", ordinal, count));
  }
  if (absl::Status status = device->ReadFacts(); !status.ok()) return status;
  return device;
}

absl::Status Device::ReadFacts() {
  const RuntimeCalls& runtime = calls_.runtime;
  cudaDeviceProp facts;
  Attempt attempt(*this);
  attempt(runtime.GetDeviceProperties(&facts, ordinal_), "cudaGetDeviceProperties") &&
      attempt(runtime.SetDevice(ordinal_), "cudaSetDevice") &&
      attempt(
          runtime.DeviceGetStreamPriorityRange(&priority_of_training_, &priority_of_generation_),
          "cudaDeviceGetStreamPriorityRange");
  if (!attempt.status().ok()) return attempt.status();
  name_ = facts.name;
  multiprocessors_ = facts.multiProcessorCount;
  shared_bytes_ = static_cast<int64_t>(facts.sharedMemPerBlockOptin);
  cache_bytes_ = facts.l2CacheSize;
  total_bytes_ = static_cast<int64_t>(facts.totalGlobalMem);
  architecture_ = absl::StrFormat("sm_%d%d", facts.major, facts.minor);
  if (facts.major < 8) {
    return absl::FailedPreconditionError(
        absl::StrFormat("got %s of compute capability %d.%d, wanted 8.0 or newer", name_,
                        facts.major, facts.minor));
  }
  return absl::OkStatus();
}

absl::Status Device::Check(cudaError_t error, const char* call) {
  if (error == cudaSuccess) return absl::OkStatus();
  const std::string message =
      absl::StrFormat("%s: %s (%s)", call, calls_.runtime.GetErrorString(error),
                      calls_.runtime.GetErrorName(error));
  if (error == cudaErrorMemoryAllocation) return absl::ResourceExhaustedError(message);
  return EndsAllUse(error) ? Lose(message) : absl::InternalError(message);
}

absl::Status Device::Check(cudnnStatus_t error, const char* call) {
  if (error == CUDNN_STATUS_SUCCESS) return absl::OkStatus();
  const std::string message = absl::StrFormat("%s: %s", call, calls_.cudnn.GetErrorString(error));
  // Its statuses come in thousands, the kind in the thousands' place (cudnn_graph.h).
  if (error / 1000 == CUDNN_STATUS_NOT_SUPPORTED / 1000) return absl::UnimplementedError(message);
  return LibraryError(message, error == CUDNN_STATUS_ALLOC_FAILED);
}

absl::Status Device::Check(cublasStatus_t error, const char* call) {
  if (error == CUBLAS_STATUS_SUCCESS) return absl::OkStatus();
  return LibraryError(absl::StrFormat("%s: %s", call, calls_.blas.GetStatusString(error)),
                      error == CUBLAS_STATUS_ALLOC_FAILED);
}

absl::Status Device::LibraryError(const std::string& message, bool of_memory) {
  // An error that ends all use stays the runtime's last one.
  const cudaError_t last = calls_.runtime.PeekAtLastError();
  if (EndsAllUse(last)) {
    return Lose(absl::StrFormat("%s: %s (%s)", message, calls_.runtime.GetErrorString(last),
                                calls_.runtime.GetErrorName(last)));
  }
  return of_memory ? absl::ResourceExhaustedError(message) : absl::InternalError(message);
}

absl::Status Device::Lose(const std::string& message) {
  absl::Status first;
  {
    absl::MutexLock lock(&mutex_);
    if (!lost_.ok()) return lost_;
    first = lost_ = absl::UnavailableError("the GPU is lost to this process: " + message);
  }
  absl::MutexLock lock(&telling_mutex_);
  if (told_) std::exchange(told_, nullptr)(first);
  return first;
}

void Device::OnLost(std::function<void(const absl::Status&)> told) {
  absl::MutexLock lock(&telling_mutex_);
  told_ = std::move(told);
  const absl::Status status = lost();
  if (told_ && !status.ok()) std::exchange(told_, nullptr)(status);
}

absl::Status Device::lost() const {
  absl::MutexLock lock(&mutex_);
  return lost_;
}

absl::Status Device::Enter() {
  if (absl::Status status = lost(); !status.ok()) return status;
  return Check(calls_.runtime.SetDevice(ordinal_), "cudaSetDevice");
}

int64_t Device::FreeBytes() {
  size_t free = 0, total = 0;
  if (!Enter().ok() || !Check(calls_.runtime.MemGetInfo(&free, &total), "cudaMemGetInfo").ok()) {
    return 0;
  }
  return static_cast<int64_t>(free);
}

absl::Status Device::CheckFree(int64_t wanted) {
  const int64_t free = FreeBytes();
  if (absl::Status status = lost(); !status.ok()) return status;
  return wanted <= free ? absl::OkStatus() : NotEnough(wanted, free);
}

absl::StatusOr<Buffer> Device::Allocate(ElementType type, size_t count) {
  if (absl::Status status = Enter(); !status.ok()) return status;
  if (count == 0) return Buffer(View{nullptr, 0, type}, nullptr);
  const size_t bytes = count * ElementSize(type);
  if (absl::Status status = CheckFree(static_cast<int64_t>(bytes)); !status.ok()) return status;
  void* data = nullptr;
  const cudaError_t error = calls_.runtime.Malloc(&data, bytes);
  // What is free need not be in one piece.
  if (error == cudaErrorMemoryAllocation) {
    return NotEnough(static_cast<int64_t>(bytes), FreeBytes());
  }
  if (absl::Status status = Check(error, "cudaMalloc"); !status.ok()) return status;
  return Buffer(View{data, count, type},
                std::shared_ptr<void>(data, [device = shared_from_this()](void* memory) {
                  // Nobody is left to tell; an error that matters comes back with the next call.
                  if (device->Enter().ok()) device->calls_.runtime.Free(memory);
                }));
}

absl::Status Device::AllocateAll(std::initializer_list<Wanted> wanted) {
  for (const Wanted& one : wanted) {
    auto buffer = Allocate(one.type, one.count);
    if (!buffer.ok()) return buffer.status();
    *one.place = *std::move(buffer);
  }
  return absl::OkStatus();
}

absl::StatusOr<Buffer> Device::AllocateOnHost(ElementType type, size_t count) {
  if (absl::Status status = Enter(); !status.ok()) return status;
  if (count == 0) return Buffer(View{nullptr, 0, type}, nullptr);
  const size_t bytes = count * ElementSize(type);
  void* data = nullptr;
  if (absl::Status status =
          Check(calls_.runtime.HostAlloc(&data, bytes, cudaHostAllocDefault), "cudaHostAlloc");
      !status.ok()) {
    return status;
  }
  std::memset(data, 0, bytes);
  return Buffer(View{data, count, type},
                std::shared_ptr<void>(data, [device = shared_from_this()](void* memory) {
                  if (device->Enter().ok()) device->calls_.runtime.FreeHost(memory);
                }));
}

}  // namespace derin::cuda
