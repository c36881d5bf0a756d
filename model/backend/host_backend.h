#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "model/backend/backend.h"

namespace derin {

// A queue whose operations happen at once on the calling thread, so there is nothing to wait for.
class HostQueue : public Queue {
 public:
  Ticket Signal() override { return 0; }
  absl::Status Wait(Ticket) override { return status_; }

  bool ok() const { return status_.ok(); }
  void Fail(absl::Status status) {
    if (status_.ok()) status_ = std::move(status);
  }

 private:
  absl::Status status_;
};

// What backends share whose device is the processor that runs the program: memory, and the
// operations that only move it.
class HostBackend : public Backend {
 public:
  const Capabilities& capabilities() const override { return capabilities_; }
  int64_t FreeBytes() const override;
  absl::StatusOr<Buffer> Allocate(ElementType type, size_t count, Memory memory) override;
  std::unique_ptr<Recording> Record(std::function<void(Queue&)> body) override;

  void Upload(Queue& queue, const void* from, View to) override;
  void Copy(Queue& queue, View from, View to) override;
  void Zero(Queue& queue, View view) override;
  absl::Status Download(Queue& queue, View from, void* to) override;
  void GatherWindow(Queue& queue, View corpus, View starts, View tokens, View targets) override;
  void CopyStates(Queue& queue, View pool, int64_t slot_elements, View from, View to) override;

 protected:
  // `capabilities.device`, `memory_bytes` and `synchronous` are filled in here.
  explicit HostBackend(Capabilities capabilities);

  static bool Ok(Queue& queue) { return static_cast<HostQueue&>(queue).ok(); }
  // RESOURCE_EXHAUSTED with both numbers when `wanted` bytes are not free.
  absl::Status CheckFree(int64_t wanted) const;
  // Why there can be no such stack here, if so: its precision, or the memory that Plan says it
  // needs.
  absl::Status CheckStack(const StackConfig& config, const StackExtent& extent) const;

 private:
  Capabilities capabilities_;
};

// Zeroed memory, aligned to a cache line at least, in huge pages where it is large and they are to
// be had, and readable for kReadableBeyond bytes beyond its end, so that a vector may reach over
// it. Null when there is none.
inline constexpr size_t kReadableBeyond = 256;
std::shared_ptr<void> AllocateZeroed(size_t bytes);

// INVALID_ARGUMENT when one of `targets` i32 [count] is not -1 or a token below `vocabulary`.
absl::Status CheckTargets(const int32_t* targets, int64_t count, int64_t vocabulary);

}  // namespace derin
