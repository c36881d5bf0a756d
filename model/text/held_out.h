#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace derin {

// Which tokens of a text are held out for validation. The rest is joined and trained on, and they
// are joined and measured (see training_tokens.h): where two parts meet it is as where one document
// ends and the next begins.

// Tokens [begin, end) of a text.
struct TokenRange {
  int64_t begin = 0;
  int64_t end = 0;

  bool operator==(const TokenRange&) const = default;
};

// Each of these gives ranges in order that do not touch, for a `share` in (0, 0.5].

// The end of the text, at least 2 tokens.
std::vector<TokenRange> HeldOutEnd(int64_t tokens, double share);

// Blocks of so many tokens, but for the last that may be shorter, drawn by `seed`: as many as come
// nearest to the share of all, at least one, and at least 2 tokens. There are two blocks or more.
std::vector<TokenRange> HeldOutBlocks(int64_t tokens, double share, int64_t block, uint64_t seed);

// Whole documents, which have these numbers of tokens, all above 0: in an order drawn by `seed`
// each that the share still has room for, and where there is none, the shortest. There are two or
// more.
std::vector<TokenRange> HeldOutDocuments(absl::Span<const int64_t> tokens, double share,
                                         uint64_t seed);

// How many tokens they are.
int64_t CountOf(absl::Span<const TokenRange> ranges);

}  // namespace derin
