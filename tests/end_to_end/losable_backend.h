#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "model/backend/host_backend.h"
#include "tests/gpu/eager_backend.h"

namespace derin {

// A backend of the processor that can be lost as a GPU can: from then on training and generation
// fail in the middle of their steps.
class LosableBackend : public EagerBackend {
 public:
  explicit LosableBackend(std::unique_ptr<Backend> backend)
      : EagerBackend(*backend), backend_(std::move(backend)) {}

  void Lose(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    lost_ = status;
    if (told_) told_(status);
  }

  absl::Status health() const override ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return lost_;
  }
  void OnLost(const std::function<void(const absl::Status&)>& told) override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    told_ = told;
  }
  void Update(Queue& queue, const OptimizerConfig& config, const UpdateViews& views) override {
    if (Works(queue)) EagerBackend::Update(queue, config, views);
  }
  void Sample(Queue& queue, View logits, const SampleViews& views) override {
    if (Works(queue)) EagerBackend::Sample(queue, logits, views);
  }

 private:
  bool Works(Queue& queue) const {
    const absl::Status status = health();
    if (!status.ok()) static_cast<HostQueue&>(queue).Fail(status);
    return status.ok();
  }

  const std::unique_ptr<Backend> backend_;
  mutable absl::Mutex mutex_;
  absl::Status lost_ ABSL_GUARDED_BY(mutex_);
  std::function<void(const absl::Status&)> told_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace derin
