#include "server/generation/state_reader.h"

#include <utility>

namespace derin::server {

absl::StatusOr<std::vector<float>> StateReader::Read(const HiddenStatePool& pool, int32_t slot) {
  absl::MutexLock lock(&mutex_);
  if (queue_ == nullptr) {
    auto queue = backend_.NewQueue(QueuePriority::kGeneration);
    if (!queue.ok()) return queue.status();
    queue_ = *std::move(queue);
  }
  std::vector<float> values(pool.slot_elements());
  absl::Status status = backend_.Download(*queue_, pool.slot(slot), values.data());
  if (status.ok()) return values;
  queue_ = nullptr;  // a queue that failed once does nothing any more
  return status;
}

}  // namespace derin::server
