#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "derin/client/generation.h"

namespace derin::client {

struct ScoreOptions {
  // Exactly one of the two. `models/ID` (its latest version), `models/ID/versions/N` or
  // `models/ID/aliases/ALIAS`: from a zero state.
  std::string model;
  // `sessions/ID`: after what the session has absorbed; it stays as it is.
  std::string session;
  // Report the log-probability of each token, and of so many of the most probable ones, 0 to 20.
  std::optional<int32_t> log_probabilities;
};

// Known before the first token is scored.
struct ScoreStart {
  // `models/ID/versions/N`.
  std::string model_version;
  // Tokens absorbed before the text.
  int64_t position = 0;
  // What computes the scores, such as `cpu/f32/1`, and whether that is another engine than the
  // version's own precision asks for.
  std::string engine_id;
  bool engine_changed = false;
};

// Of the text so far.
struct ScoreTotals {
  int64_t tokens = 0;
  // Of the scored tokens, of text as the model's normalisation leaves it.
  int64_t characters = 0;
  // How many tokens the vocabulary lacks, characters or words: they are scored as `<unk>`.
  int64_t unknown_count = 0;
  // Sum over the tokens of ln p.
  double log_probability = 0;
  // exp(-log_probability / tokens); 0 without tokens.
  double perplexity = 0;
  // -log2 p of the text for each of its characters; 0 without tokens.
  double bits_per_character = 0;
};

// Called on the calling thread as messages arrive. False stops the call.
struct ScoreCallbacks {
  std::function<bool(const ScoreStart& start)> start;
  // When they were asked for: tokens in the text's order, and how probable each was.
  std::function<bool(const std::vector<int32_t>& tokens,
                     const std::vector<DrawnLogProbability>& log_probabilities)>
      tokens;
  // After each part of the text that was sent.
  std::function<bool(const ScoreTotals& so_far)> progress;
};

}  // namespace derin::client
