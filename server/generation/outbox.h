#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "derin/v1/generation.pb.h"
#include "model/sampling/sampler.h"

namespace derin::server {

// What a stream of text ends with.
using StreamEnd = absl::StatusOr<v1::GenerateEnd>;

// The next part of a stream; with `end` the last.
struct StreamPiece {
  std::string text;             // whole characters
  std::vector<int32_t> tokens;  // drawn meanwhile
  int64_t position = 0;         // of the session after the last step that brought some of it
  // Of each of these tokens, itself first, where the call asks for them; else empty.
  std::vector<std::vector<TokenLogProbability>> rankings;
  std::optional<StreamEnd> end;
  bool made_room = false;  // the outbox was full before it was taken
};

// A bounded queue of text on its way to one client.
//
// The engine's thread pushes, the writer's thread drains; both may run at once. Nothing here
// blocks: without room the engine takes the sequence out of the batch until there is some.
class Outbox {
 public:
  // What one token takes beside its text.
  static constexpr size_t kItemBytes = 16;

  // `largest_item` bytes are what one token may bring: by default itself, and held-back bytes that
  // become three U+FFFD at once.
  explicit Outbox(size_t capacity_bytes = 4096, size_t largest_item = kItemBytes + 9)
      : capacity_bytes_(capacity_bytes), largest_item_(largest_item) {}

  // Whether a token more may be pushed.
  bool HasRoom() const ABSL_LOCKS_EXCLUDED(mutex_);
  // How many tokens more may be pushed, whatever they bring.
  int64_t room() const ABSL_LOCKS_EXCLUDED(mutex_);
  // All that one step brought, after which the session was at `position`: text, and the token that
  // it drew, if any.
  void Push(int64_t position, std::optional<int32_t> token, std::string text,
            std::vector<TokenLogProbability> ranking = {}) ABSL_LOCKS_EXCLUDED(mutex_);
  // Text that belongs to no new token: what was held back until the end.
  void PushEnd(std::string text, StreamEnd end) ABSL_LOCKS_EXCLUDED(mutex_);

  // The oldest, at most `max_items` pushes; the end with the last. After each time that somebody
  // saw no room, one piece says that there is some again.
  StreamPiece Drain(size_t max_items) ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether nothing more comes before somebody drains: it is full, or has its end.
  bool settled() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether there is nothing to drain.
  bool empty() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // One push. What it brought beside the token stands in text_ and rankings_, so that thousands of
  // outboxes that nobody reads cost what they hold and little more.
  struct Item {
    int64_t position;
    int32_t token;  // -1: none
    uint32_t text_bytes : 31;
    uint32_t has_ranking : 1;
  };
  static_assert(sizeof(Item) == kItemBytes);
  using Ranking = std::vector<TokenLogProbability>;
  static size_t BytesOf(const Ranking& ranking) {
    return ranking.empty() ? 0 : sizeof(Ranking) + ranking.size() * sizeof(TokenLogProbability);
  }
  bool Fits() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return bytes_ + largest_item_ <= capacity_bytes_;
  }

  const size_t capacity_bytes_;
  const size_t largest_item_;
  mutable absl::Mutex mutex_;
  std::vector<Item> items_ ABSL_GUARDED_BY(mutex_);
  std::string text_ ABSL_GUARDED_BY(mutex_);
  std::vector<Ranking> rankings_ ABSL_GUARDED_BY(mutex_);
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string last_text_ ABSL_GUARDED_BY(mutex_);
  std::optional<StreamEnd> end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace derin::server
