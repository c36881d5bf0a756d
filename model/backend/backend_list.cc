#include "model/backend/backend_list.h"

#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/backend/cpu/cpu_backend.h"
#include "model/backend/gpu_loader.h"
#include "model/backend/reference/reference_backend.h"

namespace derin {
namespace {

struct ListedBackend {
  std::string_view name;
  std::unique_ptr<Backend> (*make)(int threads);
  int most_threads;
};
constexpr ListedBackend kBackends[] = {
    {"cpu", [](int threads) { return cpu::NewCpuBackend({.threads = threads}); },
     cpu::kMostThreads},
    {"reference", [](int) { return reference::NewReferenceBackend(); }, 1}};

absl::Status CheckThreads(int threads, int most, std::string_view device) {
  if (threads >= 0 && threads <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "got %d threads, wanted 0 to %d for device '%s'", threads, most, std::string(device)));
}

// The GPU's number in `cuda` or `cuda:N`.
std::optional<int> GpuNumber(std::string_view device) {
  constexpr std::string_view kCuda = "cuda";
  if (device == kCuda) return 0;
  int number = 0;
  if (!device.starts_with(kCuda) || device.size() < kCuda.size() + 2 ||
      device[kCuda.size()] != ':') {
    return std::nullopt;
  }
  const std::string_view digits = device.substr(kCuda.size() + 1);
  // SimpleAtoi also takes signs and spaces.
  if (digits.find_first_not_of("0123456789") != std::string_view::npos ||
      !absl::SimpleAtoi(absl::string_view(digits.data(), digits.size()), &number)) {
    return std::nullopt;
  }
  return number;
}

absl::Status UnknownDevice(std::string_view device) {
  std::string names = "auto, cuda, cuda:N";
  for (const std::string_view name : BackendNames()) {
    absl::StrAppend(&names, ", ", std::string(name));
  }
  return absl::InvalidArgumentError(
      absl::StrFormat("got device '%s', wanted one of: %s", std::string(device), names));
}

}  // namespace

std::vector<std::string_view> BackendNames() {
  std::vector<std::string_view> names;
  for (const ListedBackend& backend : kBackends) names.push_back(backend.name);
  return names;
}

absl::Status CheckDevice(std::string_view device, int threads) {
  // The best that every machine has, in place of a GPU.
  if (device == "auto") return CheckThreads(threads, kBackends[0].most_threads, kBackends[0].name);
  if (GpuNumber(device).has_value()) return CheckThreads(threads, 1, "cuda");
  for (const ListedBackend& backend : kBackends) {
    if (device == backend.name) return CheckThreads(threads, backend.most_threads, device);
  }
  return UnknownDevice(device);
}

absl::StatusOr<ChosenBackend> ChooseBackend(std::string_view device, int threads,
                                            const GpuMaker& gpu) {
  const bool automatic = device == "auto";
  ChosenBackend chosen;
  if (const std::optional<int> number = automatic ? 0 : GpuNumber(device); number.has_value()) {
    // A GPU has the processor's thread that calls it and no other.
    const absl::Status takes = CheckThreads(threads, 1, "cuda");
    if (!takes.ok() && !automatic) return takes;
    auto made = takes.ok() ? gpu(*number)
                           : absl::UnavailableError("threads of the processor are asked for");
    if (made.ok()) {
      return ChosenBackend{.backend = *std::move(made), .why_no_gpu = "", .gpu = number};
    }
    if (!automatic) return made.status();
    chosen.why_no_gpu = static_cast<std::string>(made.status().message());
  }
  for (const ListedBackend& backend : kBackends) {
    if (!automatic && device != backend.name) continue;
    if (absl::Status status = CheckThreads(threads, backend.most_threads, backend.name);
        !status.ok()) {
      return status;
    }
    chosen.backend = backend.make(threads);
    return chosen;
  }
  return UnknownDevice(device);
}

absl::StatusOr<std::unique_ptr<Backend>> NewBackend(std::string_view device, int threads) {
  auto chosen = ChooseBackend(device, threads,
                              [](int ordinal) { return NewGpuBackend({.ordinal = ordinal}); });
  if (!chosen.ok()) return chosen.status();
  return std::move(chosen->backend);
}

}  // namespace derin
