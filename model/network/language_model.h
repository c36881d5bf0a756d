#pragma once

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
  absl::Status Step(Queue& queue, HiddenStatePool& pool, absl::Span<const Row> rows,
                    absl::Span<int32_t> next, absl::Span<TokenLogProbability> rankings = {});

  const StackConfig& config() const { return stack_->config(); }
  int max_rows() const { return max_rows_; }

 private:
  // Copies slot 0 to the slots of the rows that start.
  void ZeroFreshStates(Queue& queue, HiddenStatePool& pool, absl::Span<const Row> rows);

  // Fills host_samples_ and host_adjustments_.
  void CollectSamples(absl::Span<const Row> rows);

  LanguageModel(Backend& backend, int max_rows) : backend_(backend), max_rows_(max_rows) {}

  Backend& backend_;
  const int max_rows_;
  Buffer parameters_;
  HeadViews head_;
  std::unique_ptr<RecurrentStack> stack_;
  Buffer tokens_, slots_, samples_;  // inputs [max_rows]
  Buffer adjustments_;               // [max_rows, min(V, kMostAdjustments)]
  Buffer top_, logits_, next_;       // [max_rows, H], [max_rows, V], [max_rows]
  Buffer rankings_;                  // [max_rows, kRankingSize]
  Buffer zero_slots_, fresh_slots_;  // [max_rows]
  std::vector<int32_t> host_tokens_, host_slots_, host_fresh_;  // of the step under way
  std::vector<SampleRow> host_samples_;
  std::vector<LogitAdjustment> host_adjustments_;
};

}  // namespace derin
