#include "model/text/held_out.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "model/check.h"
#include "model/sampling/philox.h"

namespace derin {
namespace {

// The numbers below `count` in an order drawn by `seed`. Drawn as for a partition, of an epoch that
// never comes: -1.
std::vector<int64_t> Shuffled(int64_t count, uint64_t seed) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  uint32_t number = 0;
  for (size_t last = order.size() - 1; last > 0; --last) {
    const PhiloxBlock random =
        Philox4x32(RandomPurpose::kPartition, 0xffffffff, 0xffffffff, number++, seed);
    std::swap(order[last], order[IntegerBelow(random.word[0], static_cast<uint32_t>(last) + 1)]);
  }
  return order;
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
    const TokenRange range = {one * block, std::min((one + 1) * block, tokens)};
    if (!ranges.empty() && ranges.back().end == range.begin) {
      ranges.back().end = range.end;
    } else {
      ranges.push_back(range);
    }
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
    if (held_out[i]) {
      if (!ranges.empty() && ranges.back().end == begin) {
        ranges.back().end = end;
      } else {
        ranges.push_back({begin, end});
      }
    }
    begin = end;
  }
  return ranges;
}

int64_t CountOf(absl::Span<const TokenRange> ranges) {
  int64_t count = 0;
  for (const TokenRange& range : ranges) count += range.end - range.begin;
  return count;
}

void MoveBehind(absl::Span<const TokenRange> ranges, std::vector<int32_t>& tokens) {
  std::vector<int32_t> moved;
  moved.reserve(static_cast<size_t>(CountOf(ranges)));
  auto to = tokens.begin();
  int64_t from = 0;
  for (const TokenRange& range : ranges) {
    DERIN_CHECK(range.begin >= from && range.end <= static_cast<int64_t>(tokens.size()));
    // In place: what is written is never behind what is read.
    to = std::copy(tokens.begin() + from, tokens.begin() + range.begin, to);
    moved.insert(moved.end(), tokens.begin() + range.begin, tokens.begin() + range.end);
    from = range.end;
  }
  to = std::copy(tokens.begin() + from, tokens.end(), to);
  std::copy(moved.begin(), moved.end(), to);
}

}  // namespace derin
