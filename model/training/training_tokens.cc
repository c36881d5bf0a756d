#include "model/training/training_tokens.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "model/check.h"

namespace derin {

TrainingTokens::TrainingTokens(Backend& backend, int64_t count,
                               absl::Span<const TokenRange> held_out)
    : backend_(&backend), count_(count), ranges_(held_out.begin(), held_out.end()) {}

absl::StatusOr<TrainingTokens> TrainingTokens::Create(Backend& backend, int64_t count,
                                                      absl::Span<const TokenRange> held_out) {
  const int64_t held_out_count = CountOf(held_out);
  DERIN_CHECK(held_out_count <= count);
  TrainingTokens tokens(backend, count, held_out);
  auto queue = backend.NewQueue(QueuePriority::kTraining);
  if (!queue.ok()) return queue.status();
  tokens.queue_ = *std::move(queue);
  for (auto [buffer, size] : {std::pair(&tokens.trained_, count - held_out_count),
                              std::pair(&tokens.held_out_, held_out_count)}) {
    auto allocated = backend.Allocate(ElementType::kI32, static_cast<size_t>(size));
    if (!allocated.ok()) return allocated.status();
    *buffer = *std::move(allocated);
  }
  return tokens;
}

absl::StatusOr<TrainingTokens> TrainingTokens::Of(Backend& backend,
                                                  absl::Span<const int32_t> tokens,
                                                  int64_t held_out) {
  const auto count = static_cast<int64_t>(tokens.size());
  std::vector<TokenRange> ranges;
  if (held_out > 0) ranges.push_back({count - held_out, count});
  auto created = Create(backend, count, ranges);
  if (!created.ok()) return created.status();
  absl::Status status = created->Append(tokens);
  if (status.ok()) status = created->Finish();
  if (!status.ok()) return status;
  return created;
}

absl::Status TrainingTokens::Append(absl::Span<const int32_t> tokens) {
  if (static_cast<int64_t>(tokens.size()) > count_ - appended_) {
    return absl::OutOfRangeError(
        absl::StrFormat("the text has more than the %d tokens that were counted", count_));
  }
  while (!tokens.empty()) {
    while (range_ < ranges_.size() && ranges_[range_].end <= appended_) ++range_;
    const TokenRange next = range_ < ranges_.size() ? ranges_[range_] : TokenRange{count_, count_};
    const bool is_held_out = appended_ >= next.begin;
    const auto size = std::min(static_cast<int64_t>(tokens.size()),
                               (is_held_out ? next.end : next.begin) - appended_);
    const int64_t at = is_held_out ? appended_held_out_ : appended_ - appended_held_out_;
    const View to = is_held_out ? held_out_.view() : trained_.view();
    backend_->Upload(*queue_, tokens.data(),
                     to.Slice(static_cast<size_t>(at), static_cast<size_t>(size)));
    tokens.remove_prefix(static_cast<size_t>(size));
    appended_ += size;
    if (is_held_out) appended_held_out_ += size;
  }
  return absl::OkStatus();
}

absl::Status TrainingTokens::Finish() {
  if (absl::Status status = queue_->Finish(); !status.ok()) return status;
  if (appended_ == count_) {
    queue_.reset();
    return absl::OkStatus();
  }
  return absl::OutOfRangeError(
      absl::StrFormat("the text has %d tokens, where %d were counted", appended_, count_));
}

}  // namespace derin
