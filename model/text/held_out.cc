#include "model/text/held_out.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "model/check.h"
#include "model/text/partition_draw.h"

namespace derin {
namespace {

// The numbers below `count` in an order drawn by `seed`: that of a partition's epoch that never
// comes.
std::vector<int64_t> Shuffled(int64_t count, uint64_t seed) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  Shuffle(seed, /*epoch=*/-1, 0, order);
  return order;
}

// Adds a range behind the others, which becomes one with the last where they touch.
void Add(const TokenRange& range, std::vector<TokenRange>& ranges) {
  if (!ranges.empty() && ranges.back().end == range.begin) {
    ranges.back().end = range.end;
  } else {
    ranges.push_back(range);
  }
}

}  // namespace

std::vector<TokenRange> HeldOutEnd(int64_t tokens, double share) {
  const auto held_out = static_cast<int64_t>(static_cast<double>(tokens) * share);
  return {{tokens - std::max<int64_t>(held_out, 2), tokens}};
}

std::vector<TokenRange> HeldOutBlocks(int64_t tokens, double share, int64_t block, uint64_t seed) {
  const int64_t blocks = (tokens + block - 1) / block;
  DERIN_CHECK(block >= 2 && blocks >= 2);
  const auto nearest = static_cast<int64_t>(std::lround(share * static_cast<double>(blocks)));
  const int64_t wanted = std::clamp<int64_t>(nearest, 1, blocks - 1);
  std::vector<int64_t> drawn = Shuffled(blocks, seed);
  drawn.resize(static_cast<size_t>(wanted));
  std::sort(drawn.begin(), drawn.end());
  std::vector<TokenRange> ranges;
  for (const int64_t one : drawn) {
    Add({one * block, std::min((one + 1) * block, tokens)}, ranges);
  }
  // A last block of a single token is too little to measure.
  if (CountOf(ranges) < 2) --ranges.front().begin;
  return ranges;
}

std::vector<TokenRange> HeldOutDocuments(absl::Span<const int64_t> tokens, double share,
                                         uint64_t seed) {
  const auto count = static_cast<int64_t>(tokens.size());
  DERIN_CHECK(count >= 2);
  const int64_t all = std::accumulate(tokens.begin(), tokens.end(), int64_t{0});
  double room = share * static_cast<double>(all);
  std::vector<bool> held_out(tokens.size());
  bool any = false;
  for (const int64_t one : Shuffled(count, seed)) {
    const auto size = static_cast<double>(tokens[one]);
    if (size > room) continue;
    room -= size;
    held_out[one] = any = true;
  }
  if (!any) {
    held_out[std::min_element(tokens.begin(), tokens.end()) - tokens.begin()] = true;
  }
  std::vector<TokenRange> ranges;
  int64_t begin = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const int64_t end = begin + tokens[i];
    if (held_out[i]) Add({begin, end}, ranges);
    begin = end;
  }
  return ranges;
}

int64_t CountOf(absl::Span<const TokenRange> ranges) {
  int64_t count = 0;
  for (const TokenRange& range : ranges) count += range.end - range.begin;
  return count;
}

}  // namespace derin
