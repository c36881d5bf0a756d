#pragma once

#include <map>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/backend/backend.h"
#include "model/network/hidden_state_pool.h"
#include "model/network/parameters.h"

namespace derin {

// A model on a device, ready to be stepped: its parameters, its stack and the head.
class LanguageModel {
 public:
  // Uploads `parameters`; Step takes at most `max_rows` rows. RESOURCE_EXHAUSTED with the bytes
  // wanted and free.
  static absl::StatusOr<std::unique_ptr<LanguageModel>> Create(Backend& backend,
                                                               const StackConfig& config,
                                                               const Parameters& parameters,
                                                               int max_rows);

  // The bytes of `backend` that Create takes, with those that steps take besides.
  static int64_t DeviceBytes(const Backend& backend, const StackConfig& config, int max_rows);

  // One sequence's part of a step.
  struct Row {
    int32_t token = 0;  // absorbed now
    int32_t slot = 0;   // of its state in the pool, at least 1
    // Whether the sequence starts here: its state is taken to be zeros, whatever the slot holds.
    bool from_zero = false;
    SampleRow sample;  // how the next token is chosen; Step says where its adjustments are
    // Of the draw, kMostAdjustments at most; they live until Step returns.
    absl::Span<const LogitAdjustment> adjustments;
  };
  // Absorbs each row's token and chooses its next one: next[i] for rows[i]. Where a row asks for
  // its ranking, `rankings` is [N, kRankingSize] and gets it. Blocks until the tokens are there. A
  // row's result does not depend on the other rows, bit for bit. After an error every state in the
  // pool is as it was. One thread at a time.
  //
  // Where the backend records, so are steps, in sizes of powers of two with rows of padding: a
  // queue that has stepped the model lives as long as the model is stepped.
  absl::Status Step(Queue& queue, HiddenStatePool& pool, absl::Span<const Row> rows,
                    absl::Span<int32_t> next, absl::Span<TokenLogProbability> rankings = {});

  // The same `steps` times, at most kMostSteps, each absorbing what the one before has chosen, with
  // one wait in all: next[step * N + i] for rows[i]. For rows that need nobody in between: they
  // draw, rank nothing, and keep their adjustments.
  absl::Status Steps(Queue& queue, HiddenStatePool& pool, absl::Span<const Row> rows, int steps,
                     absl::Span<int32_t> next);
  static constexpr int kMostSteps = 16;

  const StackConfig& config() const { return stack_->config(); }
  int max_rows() const { return max_rows_; }

 private:
  // What the device is told of a step of so many rows: one piece of memory, moved at once.
  struct Inputs {
    Inputs(const View& bytes, size_t rows);
    View all, samples, tokens, slots;
  };

  // A buffer that a model has, and of what size.
  struct Wanted {
    Buffer LanguageModel::*buffer;
    ElementType type;
    size_t count;
    Memory memory = Memory::kDevice;
  };
  static std::vector<Wanted> BuffersOf(const StackConfig& config, int max_rows);

  LanguageModel(Backend& backend, int max_rows) : backend_(backend), max_rows_(max_rows) {}

  // Copies slot 0 to the slots of the rows that start.
  void ZeroFreshStates(Queue& queue, HiddenStatePool& pool, absl::Span<const Row> rows);
  // Fills host_inputs_, behind `rows` with padding to `size` rows, and adjustments_.
  void PutInputs(Queue& queue, absl::Span<const Row> rows, size_t size);
  // All of `steps` steps of `rows` rows, from host_inputs_ to host_next_.
  void Enqueue(Queue& queue, View pool, size_t rows, int steps);
  // The same from a recording, where there are such.
  void Run(Queue& queue, View pool, size_t rows, int steps);
  // How many rows are computed for `rows` of them.
  size_t RowsFor(size_t rows) const;

  Backend& backend_;
  const int max_rows_;
  Buffer parameters_;
  HeadViews head_;
  std::unique_ptr<RecurrentStack> stack_;
  Buffer inputs_, host_inputs_;      // Inputs for max_rows
  Buffer adjustments_;               // [max_rows, min(V, kMostAdjustments)]
  Buffer top_, logits_;              // [max_rows, H], [max_rows, V]
  Buffer next_, host_next_;          // [kMostSteps, max_rows]
  Buffer rankings_;                  // [max_rows, kRankingSize]
  Buffer zero_slots_, fresh_slots_;  // [max_rows]
  std::vector<int32_t> host_fresh_;  // of the step under way
  std::vector<LogitAdjustment> host_adjustments_;

  // What recordings depend on.
  struct RecordingKey {
    const void* pool;
    size_t rows;
    int steps;
    auto operator<=>(const RecordingKey&) const = default;
  };
  std::map<RecordingKey, std::unique_ptr<Recording>> recordings_;
  uint64_t recorded_on_ = 0;  // the id of that queue
};

}  // namespace derin
