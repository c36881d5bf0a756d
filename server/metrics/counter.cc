#include "server/metrics/counter.h"

namespace derin::server {

size_t NextShard() {
  static std::atomic<size_t> threads{0};
  return threads.fetch_add(1, std::memory_order_relaxed) % kMetricShards;
}

}  // namespace derin::server
