#include "server/generation/outbox.h"

#include <algorithm>
#include <utility>

namespace derin::server {

bool Outbox::HasRoom() const {
  absl::MutexLock lock(&mutex_);
  return Fits();
}

void Outbox::Push(int64_t position, std::optional<int32_t> token, std::string text,
                  std::vector<TokenLogProbability> ranking) {
  absl::MutexLock lock(&mutex_);
  items_.push_back({position, token, std::move(text), std::move(ranking)});
  bytes_ += items_.back().bytes();
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
  for (size_t n = std::min(max_items, items_.size()); n > 0; --n) {
    piece.text += items_.front().text;
    if (items_.front().token.has_value()) piece.tokens.push_back(*items_.front().token);
    piece.position = items_.front().position;
    bytes_ -= items_.front().bytes();
    if (!items_.front().ranking.empty()) {
      piece.rankings.push_back(std::move(items_.front().ranking));
    }
    items_.pop_front();
  }
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
