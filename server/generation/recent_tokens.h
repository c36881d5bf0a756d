#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace derin::server {

// The tokens that a session absorbed last, for penalties: part of its state, whether or not a call
// asks for them.
class RecentTokens {
 public:
  static constexpr int kCapacity = 256;

  // The oldest leaves when there are too many.
  void Push(int32_t token) {
    if (tokens_.size() < kCapacity) {
      tokens_.push_back(token);
    } else {
      tokens_[oldest_] = token;
      oldest_ = (oldest_ + 1) % kCapacity;
    }
  }

  int size() const { return static_cast<int>(tokens_.size()); }
  // The one absorbed `back` tokens before the last, in [0, size).
  int32_t Back(int back) const {
    return tokens_[(oldest_ + tokens_.size() - 1 - back) % tokens_.size()];
  }

 private:
  std::vector<int32_t> tokens_;
  size_t oldest_ = 0;
};

}  // namespace derin::server
