#include "server/rpc/handler_threads.h"

#include <utility>

namespace derin::server {

HandlerThreads::~HandlerThreads() {
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

void HandlerThreads::Run(absl::AnyInvocable<void()> handler) {
  absl::MutexLock lock(&mutex_);
  given_.push_back(std::move(handler));
  if (given_.size() > resting_ && threads_.size() < static_cast<size_t>(most_)) {
    threads_.emplace_back([this] { Work(); });
  }
}

void HandlerThreads::Work() {
  for (;;) {
    absl::AnyInvocable<void()> handler;
    {
      absl::MutexLock lock(&mutex_);
      ++resting_;
      mutex_.Await(absl::Condition(this, &HandlerThreads::HasNews));
      --resting_;
      if (given_.empty()) return;
      handler = std::move(given_.front());
      given_.pop_front();
    }
    handler();
  }
}

}  // namespace derin::server
