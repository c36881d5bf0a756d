#include "server/generation/state_copier.h"

#include <utility>

namespace derin::server {

absl::Status StateCopier::Prepare() {
  if (queue_ != nullptr) return absl::OkStatus();
  for (Buffer* buffer : {&from_, &to_}) {
    auto allocated = backend_.Allocate(ElementType::kI32, 1);
    if (!allocated.ok()) return allocated.status();
    *buffer = *std::move(allocated);
  }
  auto queue = backend_.NewQueue(QueuePriority::kGeneration);
  if (!queue.ok()) return queue.status();
  queue_ = *std::move(queue);
  return absl::OkStatus();
}

absl::Status StateCopier::Copy(HiddenStatePool& pool, int32_t from, int32_t to) {
  absl::MutexLock lock(&mutex_);
  if (absl::Status status = Prepare(); !status.ok()) return status;
  backend_.Upload(*queue_, &from, from_.view());
  backend_.Upload(*queue_, &to, to_.view());
  backend_.CopyStates(*queue_, pool.view(), pool.slot_elements(), from_.view(), to_.view());
  absl::Status status = queue_->Finish();
  if (!status.ok()) queue_ = nullptr;  // a queue that failed once does nothing any more
  return status;
}

}  // namespace derin::server
