#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/backend/backend_list.h"
#include "server/generation/generation.h"
#include "server/generation/session_store.h"

namespace derin::server {

// A small model with large weights, so that its text depends on its state. Tokens are `<unk>` and
// the letters a to h.
inline std::shared_ptr<const LoadedVersion> TinyVersion(Backend& backend, int number = 1,
                                                        bool bytes = false) {
  Tokenizer tokenizer =
      bytes ? Tokenizer::Bytes() : Tokenizer::Characters(Vocabulary::FromText("abcdefgh"));
  const StackConfig config{.layers = 2, .hidden = 12, .vocabulary = tokenizer.vocabulary_size()};
  Parameters parameters = InitialParameters(config, static_cast<uint64_t>(number));
  for (float& value : parameters.values) value *= 4;
  v1::ModelVersion version;
  version.set_name(absl::StrFormat("models/tiny/versions/%d", number));
  return std::make_shared<const LoadedVersion>(
      LoadedVersion{.version = version,
                    .engine_id = backend.EngineId(Precision::kF32),
                    .tokenizer = std::move(tokenizer),
                    .model = *LanguageModel::Create(backend, config, parameters, 64)});
}

// Keeps what it is sent. Says that a piece is sent only when told to, unless `prompt`.
class CollectingSink : public StreamSink {
 public:
  void Send(StreamPiece piece) override {
    absl::MutexLock lock(&mutex_);
    text_ += piece.text;
    tokens_.insert(tokens_.end(), piece.tokens.begin(), piece.tokens.end());
    rankings_.insert(rankings_.end(), piece.rankings.begin(), piece.rankings.end());
    ++pieces_;
    if (piece.end.has_value()) {
      end_ = std::move(piece.end);
    } else if (written_) {
      written_();
    }
  }

  // Called after each piece but the last; the stream's writer may send the next one then.
  void set_written(std::function<void()> written) { written_ = std::move(written); }

  // Blocks until the end came.
  StreamEnd AwaitEnd() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &CollectingSink::HasEnd));
    return *end_;
  }
  void AwaitTokens(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return tokens_.size() >= count;
    };
    mutex_.Await(absl::Condition(&enough));
  }
  std::string text() const {
    absl::MutexLock lock(&mutex_);
    return text_;
  }
  std::vector<int32_t> tokens() const {
    absl::MutexLock lock(&mutex_);
    return tokens_;
  }
  std::vector<std::vector<TokenLogProbability>> rankings() const {
    absl::MutexLock lock(&mutex_);
    return rankings_;
  }
  int pieces() const {
    absl::MutexLock lock(&mutex_);
    return pieces_;
  }

 private:
  bool HasEnd() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return end_.has_value(); }

  mutable absl::Mutex mutex_;
  std::string text_ ABSL_GUARDED_BY(mutex_);
  std::vector<int32_t> tokens_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::vector<TokenLogProbability>> rankings_ ABSL_GUARDED_BY(mutex_);
  int pieces_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<StreamEnd> end_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> written_;
};

}  // namespace derin::server
