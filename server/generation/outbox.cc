#include "server/generation/outbox.h"

#include <algorithm>
#include <utility>

namespace derin::server {

bool Outbox::HasRoom() const {
  absl::MutexLock lock(&mutex_);
  return Fits();
}

int64_t Outbox::room() const {
  absl::MutexLock lock(&mutex_);
  if (bytes_ >= capacity_bytes_) return 0;
  return static_cast<int64_t>((capacity_bytes_ - bytes_) / largest_item_);
}

void Outbox::Push(int64_t position, std::optional<int32_t> token, std::string text,
                  std::vector<TokenLogProbability> ranking) {
  absl::MutexLock lock(&mutex_);
  items_.push_back({.position = position,
                    .token = token.value_or(-1),
                    .text_bytes = static_cast<uint32_t>(text.size()),
                    .has_ranking = !ranking.empty()});
  bytes_ += kItemBytes + text.size() + BytesOf(ranking);
  text_ += text;
  if (!ranking.empty()) rankings_.push_back(std::move(ranking));
}

void Outbox::PushEnd(std::string text, StreamEnd end) {
  absl::MutexLock lock(&mutex_);
  last_text_ = std::move(text);
  end_ = std::move(end);
}

StreamPiece Outbox::Drain(size_t max_items) {
  absl::MutexLock lock(&mutex_);
  const bool was_full = !Fits();
  StreamPiece piece;
  const size_t count = std::min(max_items, items_.size());
  size_t text_bytes = 0;
  for (size_t i = 0; i < count; ++i) {
    const Item& item = items_[i];
    text_bytes += item.text_bytes;
    if (item.token >= 0) piece.tokens.push_back(item.token);
    piece.position = item.position;
    bytes_ -= kItemBytes + item.text_bytes;
    if (item.has_ranking == 0) continue;
    Ranking& ranking = rankings_[piece.rankings.size()];
    bytes_ -= BytesOf(ranking);
    piece.rankings.push_back(std::move(ranking));
  }
  piece.text = text_.substr(0, text_bytes);
  text_.erase(0, text_bytes);
  rankings_.erase(rankings_.begin(),
                  rankings_.begin() + static_cast<std::ptrdiff_t>(piece.rankings.size()));
  items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(count));
  if (items_.empty() && end_.has_value()) {
    piece.text += std::exchange(last_text_, {});
    piece.end = std::exchange(end_, std::nullopt);
  }
  piece.made_room = was_full && Fits();
  return piece;
}

bool Outbox::settled() const {
  absl::MutexLock lock(&mutex_);
  return !Fits() || end_.has_value();
}

bool Outbox::empty() const {
  absl::MutexLock lock(&mutex_);
  return items_.empty() && !end_.has_value();
}

}  // namespace derin::server
