#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/backend/backend.h"
#include "model/text/held_out.h"

namespace derin {

// The tokens of a training in the device's memory, where they arrive piece by piece, so that a text
// of any size is nowhere else: those that are trained on, joined, and those that are held out,
// joined.
class TrainingTokens {
 public:
  // For `count` tokens, of which the ranges `held_out`, in order, are not trained on.
  // RESOURCE_EXHAUSTED with the bytes wanted and free.
  static absl::StatusOr<TrainingTokens> Create(Backend& backend, int64_t count,
                                               absl::Span<const TokenRange> held_out);
  // All of `tokens`, the last `held_out` of which are not trained on.
  static absl::StatusOr<TrainingTokens> Of(Backend& backend, absl::Span<const int32_t> tokens,
                                           int64_t held_out);

  // The next ones. OUT_OF_RANGE when they are more than there is room for.
  absl::Status Append(absl::Span<const int32_t> tokens);
  // There are no more; waits for the device. OUT_OF_RANGE when they are fewer than they were to be.
  absl::Status Finish();

  // i32; empty where there are none.
  const Buffer& trained() const { return trained_; }
  const Buffer& held_out() const { return held_out_; }

 private:
  TrainingTokens(Backend& backend, int64_t count, absl::Span<const TokenRange> held_out);

  Backend* backend_;
  int64_t count_;
  std::vector<TokenRange> ranges_;  // that are held out
  Buffer trained_, held_out_;
  int64_t appended_ = 0;
  int64_t appended_held_out_ = 0;  // of those
  size_t range_ = 0;               // the first that does not end before what comes next
  // Until all are there. The last, so that it goes first: its end waits for what still writes.
  std::unique_ptr<Queue> queue_;
};

}  // namespace derin
