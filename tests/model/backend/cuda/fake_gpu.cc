#include "tests/model/backend/cuda/fake_gpu.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "model/check.h"
#include "tests/model/backend/cuda/fake_cublaslt.h"
#include "tests/model/backend/cuda/fake_cudnn.h"
#include "tests/model/backend/cuda/host_launch.h"

namespace derin::cuda {
namespace {

FakeGpu* the_gpu = nullptr;

using Work = std::vector<std::function<void()>>;

// What was captured on the stream before it was recorded, and when that was.
struct FakeEvent {
  FakeGpu::Stream* stream = nullptr;
  Work* capture = nullptr;
  double milliseconds = 0;
};

FakeEvent* Fake(cudaEvent_t event) { return reinterpret_cast<FakeEvent*>(event); }

FakeGpu::Stream* Fake(cudaStream_t stream) {
  DERIN_CHECK(stream != nullptr);  // the legacy stream
  return reinterpret_cast<FakeGpu::Stream*>(stream);
}

// A call with its name: fails as the test wishes.
#define DERIN_FAKE_CALL(name)                                      \
  do {                                                             \
    FakeGpu::current()->Log(name);                                 \
    if (const int error = FakeGpu::current()->TakeFailure(name)) { \
      return static_cast<cudaError_t>(error);                      \
    }                                                              \
  } while (false)

cudaError_t NotWhileCapturing() {
  return FakeGpu::current()->capturing() ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}

template <class Kernel>
cudaError_t LaunchOnHost(const Kernel& kernel, cudaStream_t stream) {
  if (ShapeOf(kernel).blocks == 0) return cudaSuccess;
  if constexpr (requires { typename Kernel::Shared; }) {
    if (sizeof(typename Kernel::Shared) > FakeGpu::current()->shared_bytes) {
      return cudaErrorInvalidValue;
    }
  }
  return FakeGpu::current()->Enqueue(Kernel::kName, Fake(stream), [kernel] {
    RunOnHost(kernel);
    FakeGpu& gpu = *FakeGpu::current();
    if (std::string_view(Kernel::kName).starts_with("LstmWindowForward") ||
        std::string_view(Kernel::kName).starts_with("LstmStepForward")) {
      gpu.milliseconds += gpu.milliseconds_of_own;
    }
  });
}

template <class... Kernel>
Kernels HostLaunchers(KernelList<Kernel...>) {
  return {&LaunchOnHost<Kernel>...};
}

RuntimeCalls FakeRuntime() {
  return {
      .GetErrorName = [](cudaError_t error) -> const char* {
        return error == cudaErrorIllegalAddress ? "cudaErrorIllegalAddress" : "cudaErrorOfTheFake";
      },
      .GetErrorString = [](cudaError_t error) -> const char* {
        return error == cudaErrorNoDevice ? "no CUDA-capable device is detected" : "it went wrong";
      },
      .PeekAtLastError = [] { return FakeGpu::current()->last_error; },
      .DriverGetVersion =
          [](int* version) {
            *version = FakeGpu::current()->driver_version;
            return cudaSuccess;
          },
      .GetDeviceCount =
          [](int* count) {
            DERIN_FAKE_CALL("cudaGetDeviceCount");
            *count = FakeGpu::current()->devices;
            return cudaSuccess;
          },
      .GetDeviceProperties =
          [](cudaDeviceProp* facts, int) {
            *facts = {};
            std::strcpy(facts->name, "Fake H100");
            facts->major = FakeGpu::current()->compute_major;
            facts->multiProcessorCount = FakeGpu::current()->multiprocessors;
            facts->sharedMemPerBlockOptin = FakeGpu::current()->shared_bytes;
            facts->l2CacheSize = FakeGpu::current()->cache_bytes;
            facts->totalGlobalMem = FakeGpu::current()->total_bytes;
            return cudaSuccess;
          },
      .SetDevice = [](int) { return cudaSuccess; },
      .DeviceGetStreamPriorityRange =
          [](int* least, int* greatest) {
            *least = 0;
            *greatest = -5;
            return cudaSuccess;
          },
      .MemGetInfo =
          [](size_t* free, size_t* total) {
            *total = FakeGpu::current()->total_bytes;
            *free = *total - FakeGpu::current()->used_bytes();
            return cudaSuccess;
          },
      .Malloc =
          [](void** to, size_t bytes) {
            DERIN_FAKE_CALL("cudaMalloc");
            if (const auto error = NotWhileCapturing(); error != cudaSuccess) return error;
            return FakeGpu::current()->Allocate(to, bytes, bytes);
          },
      .Free =
          [](void* memory) {
            DERIN_FAKE_CALL("cudaFree");
            return FakeGpu::current()->Free(memory);
          },
      .HostAlloc =
          [](void** to, size_t bytes, unsigned) {
            DERIN_FAKE_CALL("cudaHostAlloc");
            return FakeGpu::current()->Allocate(to, bytes, 0);
          },
      .FreeHost =
          [](void* memory) {
            DERIN_FAKE_CALL("cudaFreeHost");
            return FakeGpu::current()->Free(memory);
          },
      .MemcpyAsync =
          [](void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
            DERIN_FAKE_CALL("cudaMemcpyAsync");
            return FakeGpu::current()->Enqueue("copy", Fake(stream),
                                               [=] { std::memmove(to, from, bytes); });
          },
      .MemsetAsync =
          [](void* to, int value, size_t bytes, cudaStream_t stream) {
            DERIN_FAKE_CALL("cudaMemsetAsync");
            return FakeGpu::current()->Enqueue("set", Fake(stream),
                                               [=] { std::memset(to, value, bytes); });
          },
      .StreamCreateWithPriority =
          [](cudaStream_t* to, unsigned flags, int priority) {
            DERIN_FAKE_CALL("cudaStreamCreateWithPriority");
            if (flags != cudaStreamNonBlocking) return cudaErrorInvalidValue;
            *to = reinterpret_cast<cudaStream_t>(new FakeGpu::Stream{.priority = priority});
            return cudaSuccess;
          },
      .StreamDestroy =
          [](cudaStream_t stream) {
            delete Fake(stream);
            return cudaSuccess;
          },
      .StreamSynchronize =
          [](cudaStream_t) {
            DERIN_FAKE_CALL("cudaStreamSynchronize");
            return NotWhileCapturing();
          },
      .StreamWaitEvent =
          [](cudaStream_t stream, cudaEvent_t event, unsigned) {
            DERIN_FAKE_CALL("cudaStreamWaitEvent");
            return FakeGpu::current()->WaitFor(Fake(stream), Fake(event)->stream,
                                               Fake(event)->capture);
          },
      .StreamBeginCapture =
          [](cudaStream_t stream, cudaStreamCaptureMode mode) {
            DERIN_FAKE_CALL("cudaStreamBeginCapture");
            if (mode != cudaStreamCaptureModeThreadLocal) return cudaErrorInvalidValue;
            Fake(stream)->capture = new Work;
            ++FakeGpu::current()->captures_;
            return cudaSuccess;
          },
      .StreamEndCapture =
          [](cudaStream_t stream, cudaGraph_t* graph) {
            FakeGpu::current()->Log("cudaStreamEndCapture");
            Work* captured = std::exchange(Fake(stream)->capture, nullptr);
            --FakeGpu::current()->captures_;
            if (auto& forks = FakeGpu::current()->forks_; !forks.empty()) {
              for (FakeGpu::Stream* fork : std::exchange(forks, {})) fork->capture = nullptr;
              delete captured;
              *graph = nullptr;
              return cudaErrorStreamCaptureUnjoined;
            }
            *graph = reinterpret_cast<cudaGraph_t>(captured);
            return cudaSuccess;
          },
      .EventCreateWithFlags =
          [](cudaEvent_t* to, unsigned flags) {
            DERIN_FAKE_CALL("cudaEventCreateWithFlags");
            if (flags != cudaEventDisableTiming && flags != cudaEventDefault) {
              return cudaErrorInvalidValue;
            }
            *to = reinterpret_cast<cudaEvent_t>(new FakeEvent);
            return cudaSuccess;
          },
      .EventDestroy =
          [](cudaEvent_t event) {
            delete Fake(event);
            return cudaSuccess;
          },
      .EventRecord =
          [](cudaEvent_t event, cudaStream_t stream) {
            DERIN_FAKE_CALL("cudaEventRecord");
            *Fake(event) = {Fake(stream), Fake(stream)->capture, FakeGpu::current()->milliseconds};
            return cudaSuccess;
          },
      .EventSynchronize =
          [](cudaEvent_t) {
            DERIN_FAKE_CALL("cudaEventSynchronize");
            return NotWhileCapturing();
          },
      .EventElapsedTime =
          [](float* to, cudaEvent_t start, cudaEvent_t stop) {
            DERIN_FAKE_CALL("cudaEventElapsedTime");
            *to = static_cast<float>(Fake(stop)->milliseconds - Fake(start)->milliseconds);
            return cudaSuccess;
          },
      .GraphInstantiate =
          [](cudaGraphExec_t* to, cudaGraph_t graph, unsigned long long) {
            DERIN_FAKE_CALL("cudaGraphInstantiate");
            *to = reinterpret_cast<cudaGraphExec_t>(new Work(*reinterpret_cast<Work*>(graph)));
            return cudaSuccess;
          },
      .GraphDestroy =
          [](cudaGraph_t graph) {
            delete reinterpret_cast<Work*>(graph);
            return cudaSuccess;
          },
      .GraphLaunch =
          [](cudaGraphExec_t graph, cudaStream_t) {
            DERIN_FAKE_CALL("cudaGraphLaunch");
            for (const auto& work : *reinterpret_cast<Work*>(graph)) work();
            return cudaSuccess;
          },
      .GraphExecDestroy =
          [](cudaGraphExec_t graph) {
            delete reinterpret_cast<Work*>(graph);
            return cudaSuccess;
          },
  };
}

}  // namespace

FakeGpu::FakeGpu() : previous_(the_gpu) { the_gpu = this; }

FakeGpu::~FakeGpu() {
  // Of a GPU that was lost, nobody frees the memory.
  for (const auto& [memory, bytes] : allocations_) std::free(memory);
  the_gpu = previous_;
}

FakeGpu* FakeGpu::current() { return the_gpu; }

const CudaCalls& FakeGpu::calls() {
  static const CudaCalls calls = {.runtime = FakeRuntime(),
                                  .cudnn = FakeCudnn(),
                                  .blas = FakeCublasLt(),
                                  .kernels = HostLaunchers(OwnKernels{})};
  return calls;
}

int FakeGpu::TakeFailure(const std::string& call) {
  const auto found = failing_.find(call);
  if (found == failing_.end()) return 0;
  const int error = found->second;
  failing_.erase(found);
  return error;
}

cudaError_t FakeGpu::Allocate(void** to, size_t bytes, size_t on_gpu) {
  if (used_bytes_ + on_gpu > total_bytes) return cudaErrorMemoryAllocation;
  *to = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(*to, 0xff, bytes);  // NaN
  allocations_[*to] = on_gpu;
  used_bytes_ += on_gpu;
  return cudaSuccess;
}

cudaError_t FakeGpu::Free(void* memory) {
  const auto found = allocations_.find(memory);
  DERIN_CHECK(found != allocations_.end());
  used_bytes_ -= found->second;
  allocations_.erase(found);
  std::free(memory);
  return cudaSuccess;
}

cudaError_t FakeGpu::WaitFor(Stream* waiting, Stream* waited_for, Work* capture) {
  if (capture == nullptr) return cudaSuccess;  // nothing runs later than it is enqueued
  if (waiting->capture == nullptr) {
    waiting->capture = capture;
    forks_.insert(waiting);
  } else if (forks_.erase(waited_for) > 0) {
    waited_for->capture = nullptr;
  }
  return cudaSuccess;
}

cudaError_t FakeGpu::Enqueue(const char* call, Stream* stream, std::function<void()> work) {
  Log(call);
  if (const int error = TakeFailure(call)) return static_cast<cudaError_t>(error);
  if (stream->capture != nullptr) {
    stream->capture->push_back(std::move(work));
  } else {
    work();
  }
  return cudaSuccess;
}

}  // namespace derin::cuda
