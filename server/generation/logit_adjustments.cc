#include "server/generation/logit_adjustments.h"

#include <algorithm>

namespace derin::server {

LogitAdjustments::LogitAdjustments(const TokenRules& rules, int32_t vocabulary_size)
    : penalty_window_(rules.penalty_window),
      only_adjusted_(!rules.allowed.empty()),
      place_(vocabulary_size, -1) {
  for (const int32_t token : rules.allowed) Of(token);
  for (const auto& [token, bias] : rules.bias) Of(token).bias = bias;
  for (const int32_t token : rules.banned) Of(token).bias = kBanned;
  named_ = all_.size();
}

LogitAdjustment& LogitAdjustments::Of(int32_t token) {
  if (place_[token] < 0) {
    place_[token] = static_cast<int32_t>(all_.size());
    all_.push_back({.token = token});
  }
  return all_[place_[token]];
}

absl::Span<const LogitAdjustment> LogitAdjustments::Next(const RecentTokens& recent, int32_t last) {
  if (penalty_window_ == 0) return all_;
  for (size_t i = named_; i < all_.size(); ++i) place_[all_[i].token] = -1;
  all_.resize(named_);
  for (LogitAdjustment& one : all_) one.count = 0;
  const auto count = [this](int32_t token) {
    // A token that is not drawn anyway must not become one that is adjusted, and so allowed.
    if (only_adjusted_ && place_[token] < 0) return;
    ++Of(token).count;
  };
  count(last);
  const int older = std::min(penalty_window_ - 1, recent.size());
  for (int back = 0; back < older; ++back) count(recent.Back(back));
  return all_;
}

}  // namespace derin::server
