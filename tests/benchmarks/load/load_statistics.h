#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tests/benchmarks/load/latency_histogram.h"

namespace derin {

// What was seen of the texts of a run.
struct LoadStatistics {
  int64_t tokens = 0;                     // that came in the measured time
  int64_t texts = 0;                      // that ended in it without an error
  std::map<std::string, int64_t> errors;  // of texts due in it, by TextEnd::error
  int64_t without_token = 0;              // texts due in it whose first token nobody waited for
  // From when a text was due (in a closed loop: asked for) to its first message with a token.
  LatencyHistogram first_token;
  // Between a text's messages with tokens.
  LatencyHistogram gap;
  // That the server says a text waited for its first step.
  LatencyHistogram queue;

  void Add(const LoadStatistics& other) {
    tokens += other.tokens;
    texts += other.texts;
    for (const auto& [name, count] : other.errors) errors[name] += count;
    without_token += other.without_token;
    first_token.Add(other.first_token);
    gap.Add(other.gap);
    queue.Add(other.queue);
  }
};

}  // namespace derin
