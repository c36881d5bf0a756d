#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "derin/v1/generation.pb.h"
#include "model/text/utf8.h"
#include "server/generation/recent_tokens.h"
#include "server/generation/stop_matcher.h"

namespace derin::server {

// All that the next token of a session depends on, beside the model and the hidden state.
struct SessionState {
  // Tokens absorbed; at 0 the hidden state is zeros.
  int64_t position = 0;
  // The last token drawn, which the next call absorbs first.
  std::optional<int32_t> pending;
  uint64_t seed = 0;
  // Tells apart the draws of sessions that were forked from each other.
  uint32_t stream = 0;
  // How many forks there were at this position.
  uint32_t forks = 0;
  // Those absorbed last.
  RecentTokens recent;
  // Bytes that are not yet a whole character.
  Utf8Assembler text;
  // Text that may yet become a stop string.
  HeldBack held;
};

// What tells a call from others of its session, so that it can be made once more.
struct CallKey {
  std::string request_id;  // as its caller drew it; empty: the call is not made again
  std::string digest;      // of all else that it asks for
};

// A session's last call. The state where it began is kept beside the session's own.
struct LastCall {
  CallKey key;
  int64_t start_sequence = 0;  // of that state's image
  int64_t start_position = 0;
  uint64_t start_seed = 0;
  int64_t end_position = 0;  // the farthest that it came
  // To run it once more up to some position; null when that is not to be.
  std::shared_ptr<const v1::GenerateRequest> request;
};

}  // namespace derin::server
