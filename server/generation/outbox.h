#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "derin/v1/generation.pb.h"

namespace derin::server {

// What a stream of text ends with.
using StreamEnd = absl::StatusOr<v1::GenerateEnd>;

// The next part of a stream; with `end` the last.
struct StreamPiece {
  std::string text;             // whole characters
  std::vector<int32_t> tokens;  // drawn for it
  std::optional<StreamEnd> end;
  bool made_room = false;  // the outbox was full before it was taken
};

// A bounded queue of text on its way to one client.
//
// The engine's thread pushes, the writer's thread drains; both may run at once. Nothing here
// blocks: without room the engine takes the sequence out of the batch until there is some.
class Outbox {
 public:
  explicit Outbox(size_t capacity_bytes = 4096) : capacity_bytes_(capacity_bytes) {}

  // Whether a token more may be pushed.
  bool HasRoom() const ABSL_LOCKS_EXCLUDED(mutex_);
  void Push(int32_t token, std::string text) ABSL_LOCKS_EXCLUDED(mutex_);
  // Text that belongs to no new token: what was held back until the end.
  void PushEnd(std::string text, StreamEnd end) ABSL_LOCKS_EXCLUDED(mutex_);

  // The oldest, at most `max_tokens` of them; the end with the last. After each time that somebody
  // saw no room, one piece says that there is some again.
  StreamPiece Drain(size_t max_tokens) ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether there is nothing to drain.
  bool empty() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Item {
    int32_t token;
    std::string text;
    size_t bytes() const { return text.size() + sizeof(token); }
  };
  // Of one token: held-back bytes may become three U+FFFD at once.
  static constexpr size_t kLargestItem = 16;

  bool Fits() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return bytes_ + kLargestItem <= capacity_bytes_;
  }

  const size_t capacity_bytes_;
  mutable absl::Mutex mutex_;
  std::deque<Item> items_ ABSL_GUARDED_BY(mutex_);
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string last_text_ ABSL_GUARDED_BY(mutex_);
  std::optional<StreamEnd> end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace derin::server
