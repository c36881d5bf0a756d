#include "server/metrics/nvml_calls.h"

#include "absl/strings/str_cat.h"

namespace derin::server {
namespace {

// Looks functions up until one is missing, and keeps its name.
class Finder {
 public:
  explicit Finder(const LibraryLoader& libraries) : libraries_(libraries) {}

  void Open(const char* library) {
    if (!status_.ok()) return;
    absl::StatusOr<void*> opened = libraries_.open(library);
    if (opened.ok()) {
      library_ = *opened;
    } else {
      status_ = absl::UnavailableError(opened.status().message());
    }
  }
  template <typename Function>
  void Find(const char* name, Function*& function) {
    if (!status_.ok()) return;
    function = reinterpret_cast<Function*>(libraries_.find(library_, name));
    if (function == nullptr) status_ = absl::UnavailableError(absl::StrCat("there is no ", name));
  }
  const absl::Status& status() const { return status_; }

 private:
  const LibraryLoader& libraries_;
  void* library_ = nullptr;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<NvmlCalls> LoadNvml(const LibraryLoader& libraries) {
  NvmlCalls calls{};
  Finder finder(libraries);
  finder.Open("libnvidia-ml.so.1");
  finder.Find("nvmlInit_v2", calls.nvmlInit_v2);
  finder.Find("nvmlShutdown", calls.nvmlShutdown);
  finder.Find("nvmlDeviceGetHandleByPciBusId_v2", calls.nvmlDeviceGetHandleByPciBusId_v2);
  finder.Find("nvmlDeviceGetMemoryInfo", calls.nvmlDeviceGetMemoryInfo);
  finder.Find("nvmlDeviceGetUtilizationRates", calls.nvmlDeviceGetUtilizationRates);
  finder.Find("nvmlDeviceGetTemperature", calls.nvmlDeviceGetTemperature);
  finder.Find("nvmlDeviceGetPowerUsage", calls.nvmlDeviceGetPowerUsage);
  finder.Open("libcuda.so.1");
  finder.Find("cuDeviceGet", calls.cuDeviceGet);
  finder.Find("cuDeviceGetPCIBusId", calls.cuDeviceGetPCIBusId);
  if (!finder.status().ok()) return finder.status();
  return calls;
}

}  // namespace derin::server
