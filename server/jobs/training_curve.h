#pragma once

#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "derin/v1/training.pb.h"
#include "model/training/trainer.h"

namespace derin::server {

// What a training has been through: a point every so many steps. There are never more than
// kMaxPoints of them and one more: when there would be, each two neighbours become one and the
// stride doubles. Thread-safe.
class TrainingCurve {
 public:
  static constexpr int kMaxPoints = 1000;  // even

  // Goes on from what Snapshot() gave, cut back to where the training is, `start`; from an empty
  // one it begins there.
  TrainingCurve(const v1::ListTrainingMetricsResponse& stored, const TrainerProgress& start);

  // The training is at `progress` now. Called after each step, or each few.
  void Add(const TrainerProgress& progress, int attempt, absl::Time time, double tokens_per_second)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // All points, and as the last one where the training is, where that is between two.
  v1::ListTrainingMetricsResponse Snapshot() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Point {
    v1::TrainingMetrics metrics;
    LossTotal loss;  // since the point before
  };

  static void SetLoss(Point& point);
  // Each two points become one.
  void Thin() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  int64_t stride_ ABSL_GUARDED_BY(mutex_) = 1;
  std::vector<Point> points_ ABSL_GUARDED_BY(mutex_);
  int64_t last_point_step_ ABSL_GUARDED_BY(mutex_) = 0;
  Point open_ ABSL_GUARDED_BY(mutex_);  // since the last point; nothing while it has no tokens
  // Where the training was at the last Add.
  int64_t step_ ABSL_GUARDED_BY(mutex_);
  int64_t tokens_ ABSL_GUARDED_BY(mutex_);
  LossTotal epoch_loss_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace derin::server
