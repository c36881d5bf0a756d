#include "model/backend/backend_list.h"

#include <string>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "model/backend/cpu/cpu_backend.h"
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

}  // namespace

std::vector<std::string_view> BackendNames() {
  std::vector<std::string_view> names;
  for (const ListedBackend& backend : kBackends) names.push_back(backend.name);
  return names;
}

absl::StatusOr<std::unique_ptr<Backend>> NewBackend(std::string_view device, int threads) {
  for (const ListedBackend& backend : kBackends) {
    if (device != "auto" && device != backend.name) continue;
    if (threads < 0 || threads > backend.most_threads) {
      return absl::InvalidArgumentError(
          absl::StrFormat("got %d threads, wanted 0 to %d for device '%s'", threads,
                          backend.most_threads, std::string(backend.name)));
    }
    return backend.make(threads);
  }
  std::string names = "auto";
  for (const std::string_view name : BackendNames()) names += ", " + std::string(name);
  return absl::InvalidArgumentError(
      absl::StrFormat("got device '%s', wanted one of: %s", std::string(device), names));
}

}  // namespace derin
