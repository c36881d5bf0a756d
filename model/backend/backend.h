#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/backend/capabilities.h"
#include "model/backend/queue.h"
#include "model/backend/recurrent_stack.h"
#include "model/backend/stack_config.h"
#include "model/backend/view.h"
#include "model/optimizer/optimizer.h"
#include "model/sampling/sampler.h"

namespace derin {

// Bytes of a stack, known before anything is allocated: the basis of every refusal.
struct StackPlan {
  int64_t weight_bytes = 0;  // packed, besides the flat buffers of the caller
  int64_t workspace_bytes = 0;
  int64_t reserve_bytes = 0;  // what Forward keeps for Backward
  int64_t slot_bytes = 0;     // one sequence's state in a pool
  // What the operations around a stack take of their queue, from its making on: of a training, its
  // head's; of steps, the sampler's.
  int64_t scratch_bytes = 0;
};

enum class Memory {
  kDevice,
  kHost,  // in the host's reach, and Copy to it does not block
};

// The linear layer over the top of the stack: O = H W^T + b.
struct HeadViews {
  View weight;  // [V, H]
  View bias;    // [V]
};

// What becomes of the gradients that are there.
enum class GradientMode { kWrite, kAdd };

// What Update reads and writes; `count` of the first four are alike.
struct UpdateViews {
  View parameters;
  View gradients;
  View moment1;  // empty unless the optimiser keeps it
  View moment2;
  View learning_rate;  // f64 [1]
  View squared_norm;   // f64 [1], of SquaredNorm
  View step;           // i64 [1], optimiser steps done; Update adds one
  // f64 [2], the factor of LossScale and the good steps in a row, where NeedsLossScale; else empty.
  View loss_scale;
};

// What Sample reads and writes, for N rows.
struct SampleViews {
  View rows;         // N SampleRow as bytes
  View adjustments;  // LogitAdjustments as bytes, where rows say; may be empty
  View tokens;       // i32 [N], written
  // Added to the rows' positions: how many steps it is since they were written.
  int64_t advance = 0;
  // N rankings of kRankingSize TokenLogProbabilities as bytes, written where rows ask for one; may
  // be empty when none does.
  View rankings;
};

// A body of operations that runs again and again on the same addresses: a CUDA graph.
class Recording {
 public:
  virtual ~Recording() = default;
  // Enqueues the body. What changes from run to run changes behind the views.
  virtual void Run(Queue& queue) = 0;
};

// How long operations of each priority have had a device to themselves, all together.
struct DeviceTime {
  absl::Duration training, generation;
};

// One device: its memory, its queues and the coarse operations that models are made of. Operations
// enqueue on their queue and return; Queue says how errors come back. Real elements have the
// model's StateType. Any thread may call it; a queue belongs to one thread at a time.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual const Capabilities& capabilities() const = 0;
  // What results depend on: equal ids promise equal bits. Such as `reference/f32/1`.
  virtual std::string EngineId(Precision precision) const = 0;
  virtual int64_t FreeBytes() const = 0;
  // Empty where operations of both priorities share the device, or nobody counts.
  virtual std::optional<DeviceTime> TimeOnDevice() const { return std::nullopt; }
  // Ok while the device works. UNAVAILABLE, with the call that failed, once it is of no use to this
  // process any more; then so fails whatever is asked of it.
  virtual absl::Status health() const { return absl::OkStatus(); }
  // `told`, in place of an earlier one, is called once with what health says when the device stops
  // to work, or at once when it has. By any thread, in the middle of an operation, so it asks
  // nothing of the backend. OnLost waits while the earlier one is called; empty: nobody is told.
  virtual void OnLost(const std::function<void(const absl::Status&)>& /*told*/) {}

  // Zeroed. RESOURCE_EXHAUSTED with the bytes wanted and free.
  virtual absl::StatusOr<Buffer> Allocate(ElementType type, size_t count,
                                          Memory memory = Memory::kDevice) = 0;
  virtual absl::StatusOr<std::unique_ptr<Queue>> NewQueue(QueuePriority priority) = 0;
  // `body` only enqueues, always the same operations on the same views.
  virtual std::unique_ptr<Recording> Record(std::function<void(Queue&)> body) = 0;

  virtual StackPlan Plan(const StackConfig& config, const StackExtent& extent) const = 0;
  // RESOURCE_EXHAUSTED with the bytes wanted and free; INVALID_ARGUMENT for a precision that is not
  // among the capabilities. `saved_choice` is the choice() of an earlier stack: it is taken again
  // where this backend can; else, and when it is empty, one is made anew.
  virtual absl::StatusOr<std::unique_ptr<RecurrentStack>> NewStack(
      const StackConfig& config, const StackExtent& extent, std::string_view saved_choice) = 0;
  absl::StatusOr<std::unique_ptr<RecurrentStack>> NewStack(const StackConfig& config,
                                                           const StackExtent& extent) {
    return NewStack(config, extent, "");
  }

  // `from` may be changed as soon as Upload returns.
  virtual void Upload(Queue& queue, const void* from, View to) = 0;
  virtual void Copy(Queue& queue, View from, View to) = 0;
  virtual void Zero(Queue& queue, View view) = 0;
  // Waits for all of the queue.
  virtual absl::Status Download(Queue& queue, View from, void* to) = 0;

  // tokens[t, b] = corpus[starts[b] + t], targets[t, b] = corpus[starts[b] + t + 1]. `corpus` i32
  // [n], `starts` i64 [B], tokens and targets i32 [T, B].
  virtual void GatherWindow(Queue& queue, View corpus, View starts, View tokens, View targets) = 0;

  // Cross-entropy of softmax(top W^T + b) against `targets` i32 [T*B]; a target of -1 is left out.
  // `loss` f64 [2] receives the sum in nats and the number of targets counted. Unless `d_top` [T*B,
  // H] is empty, also the gradients of the mean: with respect to top, and (written, not added) the
  // head's. Source: the log-sum-exp form, so that logits of any size stay finite.
  virtual void ProjectAndLoss(Queue& queue, View top, const HeadViews& head, View targets,
                              View loss, View d_top, const HeadViews& d_head) = 0;
  // Sum of squares into f64 [1], added in f64.
  virtual void SquaredNorm(Queue& queue, View gradients, View squared_norm) = 0;
  // Clip by the global norm, then one optimiser step. With a loss scale, a step whose norm is not
  // finite is skipped: only the scale changes.
  virtual void Update(Queue& queue, const OptimizerConfig& config, const UpdateViews& views) = 0;

  // `logits` [N, V] = top [N, H] W^T + b; the bits of a row do not depend on the other rows.
  virtual void Logits(Queue& queue, View top, const HeadViews& head, View logits) = 0;
  // The way back through Logits: d_top = d_logits W, and d_weight = d_logits^T top is written or
  // added; `d_logits` [N, V].
  virtual void LogitsBackward(Queue& queue, View top, const HeadViews& head, View d_logits,
                              View d_top, View d_weight, GradientMode mode) = 0;
  // tokens[i] = what rows[i] draws from logits[i]; logits [N, V].
  virtual void Sample(Queue& queue, View logits, const SampleViews& views) = 0;

  // pool[to[i]] = pool[from[i]] for `from` and `to` i32 [n], all read before the first is written;
  // `pool` [slots, slot_elements].
  virtual void CopyStates(Queue& queue, View pool, int64_t slot_elements, View from, View to) = 0;
};

}  // namespace derin
