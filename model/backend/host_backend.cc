#include "model/backend/host_backend.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <vector>

#include "absl/strings/str_format.h"
#include "model/backend/control_group.h"

namespace derin {
namespace {

class HostRecording : public Recording {
 public:
  explicit HostRecording(std::function<void(Queue&)> body) : body_(std::move(body)) {}
  void Run(Queue& queue) override { body_(queue); }

 private:
  const std::function<void(Queue&)> body_;
};

// The value of `key` in a file of `key : value` lines; empty when there is none.
std::string ProcLine(const char* path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (line.compare(0, key.size(), key) != 0 || colon == std::string::npos) continue;
    const size_t start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

int64_t MemoryBytes(std::string_view key) {
  return std::strtoll(ProcLine("/proc/meminfo", key).c_str(), nullptr, 10) * 1024;
}

}  // namespace

HostBackend::HostBackend(Capabilities capabilities) : capabilities_(std::move(capabilities)) {
  const int64_t all = MemoryBytes("MemTotal");
  capabilities_.memory_bytes = std::min(all, ControlGroup().memory_bytes().value_or(all));
  capabilities_.device = ProcLine("/proc/cpuinfo", "model name");
  capabilities_.synchronous = true;
}

int64_t HostBackend::FreeBytes() const {
  const int64_t free = MemoryBytes("MemAvailable");
  return std::min(free, ControlGroup().free_memory_bytes().value_or(free));
}

absl::Status HostBackend::CheckFree(int64_t wanted) const {
  const int64_t free = FreeBytes();
  if (wanted <= free) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrFormat("wanted %d bytes of memory, %d are free", wanted, free));
}

absl::Status HostBackend::CheckStack(const StackConfig& config, const StackExtent& extent) const {
  if (absl::Status status = CheckPrecision(capabilities_, config.precision); !status.ok()) {
    return status;
  }
  const StackPlan plan = Plan(config, extent);
  return CheckFree(plan.weight_bytes + plan.workspace_bytes + plan.reserve_bytes);
}

std::shared_ptr<void> AllocateZeroed(size_t bytes) {
  constexpr size_t kCacheLine = 64, kHugePage = size_t{2} << 20;
  const size_t alignment = bytes >= kHugePage ? kHugePage : kCacheLine;
  const size_t whole = (bytes + kReadableBeyond + alignment - 1) / alignment * alignment;
  void* data = std::aligned_alloc(alignment, whole);
  if (data == nullptr) return nullptr;
  if (alignment == kHugePage) madvise(data, whole, MADV_HUGEPAGE);
  std::memset(data, 0, whole);
  return std::shared_ptr<void>(data, &std::free);
}

absl::StatusOr<Buffer> HostBackend::Allocate(ElementType type, size_t count, Memory) {
  const size_t wanted = count * ElementSize(type);
  if (absl::Status status = CheckFree(static_cast<int64_t>(wanted)); !status.ok()) return status;
  std::shared_ptr<void> memory = AllocateZeroed(wanted);
  if (memory == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("wanted %d bytes of memory, got none", wanted));
  }
  const View view{memory.get(), count, type};
  return Buffer(view, std::move(memory));
}

std::unique_ptr<Recording> HostBackend::Record(std::function<void(Queue&)> body) {
  return std::make_unique<HostRecording>(std::move(body));
}

void HostBackend::Upload(Queue& queue, const void* from, View to) {
  if (Ok(queue) && to.count > 0) std::memcpy(to.data, from, to.bytes());
}

void HostBackend::Copy(Queue& queue, View from, View to) {
  DERIN_CHECK(from.type == to.type && from.count == to.count);
  if (Ok(queue) && to.count > 0) std::memmove(to.data, from.data, to.bytes());
}

void HostBackend::Zero(Queue& queue, View view) {
  if (Ok(queue) && view.count > 0) std::memset(view.data, 0, view.bytes());
}

absl::Status HostBackend::Download(Queue& queue, View from, void* to) {
  if (absl::Status status = queue.Finish(); !status.ok()) return status;
  if (from.count > 0) std::memcpy(to, from.data, from.bytes());
  return absl::OkStatus();
}

void HostBackend::GatherWindow(Queue& queue, View corpus, View starts, View tokens, View targets) {
  if (!Ok(queue)) return;
  const int64_t B = static_cast<int64_t>(starts.count);
  const int64_t T = static_cast<int64_t>(tokens.count) / B;
  for (int64_t b = 0; b < B; ++b) {
    const int64_t start = starts.As<int64_t>()[b];
    DERIN_CHECK(start >= 0 && start + T < static_cast<int64_t>(corpus.count));
    const int32_t* text = corpus.As<int32_t>() + start;
    for (int64_t t = 0; t < T; ++t) {
      tokens.As<int32_t>()[t * B + b] = text[t];
      targets.As<int32_t>()[t * B + b] = text[t + 1];
    }
  }
}

void HostBackend::CopyStates(Queue& queue, View pool, int64_t slot_elements, View from, View to) {
  if (!Ok(queue)) return;
  const size_t bytes = static_cast<size_t>(slot_elements) * ElementSize(pool.type);
  auto* slots = static_cast<std::byte*>(pool.data);
  std::vector<std::byte> read(from.count * bytes);
  for (size_t i = 0; i < from.count; ++i) {
    std::memcpy(&read[i * bytes], slots + from.As<int32_t>()[i] * bytes, bytes);
  }
  for (size_t i = 0; i < to.count; ++i) {
    std::memcpy(slots + to.As<int32_t>()[i] * bytes, &read[i * bytes], bytes);
  }
}

absl::Status CheckTargets(const int32_t* targets, int64_t count, int64_t vocabulary) {
  for (int64_t i = 0; i < count; ++i) {
    if (targets[i] < -1 || targets[i] >= vocabulary) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "got target %d, wanted a token below the vocabulary's %d or -1", targets[i], vocabulary));
    }
  }
  return absl::OkStatus();
}

}  // namespace derin
