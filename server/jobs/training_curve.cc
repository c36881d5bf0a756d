#include "server/jobs/training_curve.h"

#include <cmath>
#include <utility>

#include "server/storage/proto_time.h"

namespace derin::server {

TrainingCurve::TrainingCurve(const v1::ListTrainingMetricsResponse& stored,
                             const TrainerProgress& start)
    : last_point_step_(start.step),
      step_(start.step),
      tokens_(start.tokens),
      epoch_loss_(start.epoch_loss) {
  absl::MutexLock lock(&mutex_);
  if (stored.stride() > 0) stride_ = stored.stride();
  int64_t tokens_before = 0;
  for (const v1::TrainingMetrics& metrics : stored.training_metrics()) {
    if (metrics.step() > start.step) break;
    if (points_.empty() && metrics.step() > stride_) {
      // A curve that began later: all steps have as many tokens.
      tokens_before = metrics.tokens() / metrics.step() * (metrics.step() - stride_);
    }
    const int64_t tokens = metrics.tokens() - tokens_before;
    points_.push_back(
        {metrics,
         {.nats = metrics.training_loss() * static_cast<double>(tokens), .tokens = tokens}});
    tokens_before = metrics.tokens();
  }
  // The last one may be where the training was between two points.
  const size_t count = points_.size();
  if (count >= 2 &&
      points_[count - 1].metrics.step() - points_[count - 2].metrics.step() < stride_) {
    open_ = std::move(points_.back());
    points_.pop_back();
  }
  if (!points_.empty()) last_point_step_ = points_.back().metrics.step();
}

void TrainingCurve::Add(const TrainerProgress& progress, int attempt, absl::Time time,
                        double tokens_per_second) {
  absl::MutexLock lock(&mutex_);
  if (progress.step == step_) return;
  // The losses of an epoch begin at nought; all of those before it were seen.
  const int64_t tokens = progress.tokens - tokens_;
  const bool same_epoch = progress.epoch_loss.tokens - epoch_loss_.tokens == tokens;
  open_.loss.tokens += tokens;
  open_.loss.nats += progress.epoch_loss.nats - (same_epoch ? epoch_loss_.nats : 0);
  step_ = progress.step;
  tokens_ = progress.tokens;
  epoch_loss_ = progress.epoch_loss;

  v1::TrainingMetrics& metrics = open_.metrics;
  metrics.set_step(progress.step);
  metrics.set_attempt(attempt);
  metrics.set_epochs_done(progress.epoch);
  metrics.set_tokens(progress.tokens);
  *metrics.mutable_time() = ToTimestamp(time);
  if (progress.epoch_perplexity) metrics.set_epoch_training_perplexity(*progress.epoch_perplexity);
  if (progress.validation_perplexity) {
    metrics.set_validation_perplexity(*progress.validation_perplexity);
  }
  metrics.set_learning_rate(progress.learning_rate);
  metrics.set_gradient_norm(progress.gradient_norm);
  metrics.set_tokens_per_second(tokens_per_second);
  if (progress.step - last_point_step_ < stride_) return;
  SetLoss(open_);
  points_.push_back(std::exchange(open_, Point()));
  last_point_step_ = progress.step;
  if (points_.size() == kMaxPoints) Thin();
}

void TrainingCurve::SetLoss(Point& point) {
  point.metrics.set_training_loss(point.loss.Mean());
  point.metrics.set_training_perplexity(point.loss.Perplexity());
}

void TrainingCurve::Thin() {
  for (size_t i = 0; i < points_.size() / 2; ++i) {
    Point merged = std::move(points_[2 * i + 1]);
    merged.loss.nats += points_[2 * i].loss.nats;
    merged.loss.tokens += points_[2 * i].loss.tokens;
    SetLoss(merged);
    points_[i] = std::move(merged);
  }
  points_.resize(points_.size() / 2);
  stride_ *= 2;
}

v1::ListTrainingMetricsResponse TrainingCurve::Snapshot() const {
  absl::MutexLock lock(&mutex_);
  v1::ListTrainingMetricsResponse response;
  response.set_stride(stride_);
  for (const Point& point : points_) *response.add_training_metrics() = point.metrics;
  if (open_.loss.tokens > 0) {
    Point last = open_;
    SetLoss(last);
    *response.add_training_metrics() = std::move(last.metrics);
  }
  return response;
}

}  // namespace derin::server
