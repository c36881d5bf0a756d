#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "model/backend/backend.h"

namespace derin {

// Another backend without its graphs: what is recorded is enqueued again at every run.
class EagerBackend : public Backend {
 public:
  explicit EagerBackend(Backend& backend) : backend_(backend) {}

  std::unique_ptr<Recording> Record(std::function<void(Queue&)> body) override {
    return std::make_unique<EagerRecording>(std::move(body));
  }

  const Capabilities& capabilities() const override { return backend_.capabilities(); }
  std::string EngineId(Precision precision) const override { return backend_.EngineId(precision); }
  int64_t FreeBytes() const override { return backend_.FreeBytes(); }
  absl::StatusOr<Buffer> Allocate(ElementType type, size_t count, Memory memory) override {
    return backend_.Allocate(type, count, memory);
  }
  absl::StatusOr<std::unique_ptr<Queue>> NewQueue(QueuePriority priority) override {
    return backend_.NewQueue(priority);
  }
  StackPlan Plan(const StackConfig& config, const StackExtent& extent) const override {
    return backend_.Plan(config, extent);
  }
  absl::StatusOr<std::unique_ptr<RecurrentStack>> NewStack(const StackConfig& config,
                                                           const StackExtent& extent,
                                                           std::string_view choice) override {
    return backend_.NewStack(config, extent, choice);
  }
  void Upload(Queue& queue, const void* from, View to) override {
    backend_.Upload(queue, from, to);
  }
  void Copy(Queue& queue, View from, View to) override { backend_.Copy(queue, from, to); }
  void Zero(Queue& queue, View view) override { backend_.Zero(queue, view); }
  absl::Status Download(Queue& queue, View from, void* to) override {
    return backend_.Download(queue, from, to);
  }
  void GatherWindow(Queue& queue, View corpus, View starts, View tokens, View targets) override {
    backend_.GatherWindow(queue, corpus, starts, tokens, targets);
  }
  void ProjectAndLoss(Queue& queue, View top, const HeadViews& head, View targets, View loss,
                      View d_top, const HeadViews& d_head) override {
    backend_.ProjectAndLoss(queue, top, head, targets, loss, d_top, d_head);
  }
  void SquaredNorm(Queue& queue, View gradients, View squared_norm) override {
    backend_.SquaredNorm(queue, gradients, squared_norm);
  }
  void Update(Queue& queue, const OptimizerConfig& config, const UpdateViews& views) override {
    backend_.Update(queue, config, views);
  }
  void Logits(Queue& queue, View top, const HeadViews& head, View logits) override {
    backend_.Logits(queue, top, head, logits);
  }
  void LogitsBackward(Queue& queue, View top, const HeadViews& head, View d_logits, View d_top,
                      View d_weight, GradientMode mode) override {
    backend_.LogitsBackward(queue, top, head, d_logits, d_top, d_weight, mode);
  }
  void Sample(Queue& queue, View logits, const SampleViews& views) override {
    backend_.Sample(queue, logits, views);
  }
  void CopyStates(Queue& queue, View pool, int64_t slot_elements, View from, View to) override {
    backend_.CopyStates(queue, pool, slot_elements, from, to);
  }

 private:
  class EagerRecording : public Recording {
   public:
    explicit EagerRecording(std::function<void(Queue&)> body) : body_(std::move(body)) {}
    void Run(Queue& queue) override { body_(queue); }

   private:
    const std::function<void(Queue&)> body_;
  };

  Backend& backend_;
};

}  // namespace derin
