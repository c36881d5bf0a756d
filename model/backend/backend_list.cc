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
  std::unique_ptr<Backend> (*make)();
};
constexpr ListedBackend kBackends[] = {
    {"cpu", [] { return cpu::NewCpuBackend(cpu::CpuOptions{}); }},
    {"reference", &reference::NewReferenceBackend}};

}  // namespace

std::vector<std::string_view> BackendNames() {
  std::vector<std::string_view> names;
  for (const ListedBackend& backend : kBackends) names.push_back(backend.name);
  return names;
}

absl::StatusOr<std::unique_ptr<Backend>> NewBackend(std::string_view device) {
  for (const ListedBackend& backend : kBackends) {
    if (device == "auto" || device == backend.name) return backend.make();
  }
  std::string names = "auto";
  for (const std::string_view name : BackendNames()) names += ", " + std::string(name);
  return absl::InvalidArgumentError(
      absl::StrFormat("got device '%s', wanted one of: %s", std::string(device), names));
}

}  // namespace derin
