#include "server/jobs/training_curve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace derin::server {
namespace {

// A training of epochs of 7 steps with 20 tokens each. The loss of step n, from 1, is 1 / n nats
// per token.
class CurveTest : public ::testing::Test {
 protected:
  void Step() {
    if (progress_.step % 7 == 0) progress_.epoch_loss = {};
    ++progress_.step;
    progress_.tokens += 20;
    progress_.epoch_loss.tokens += 20;
    progress_.epoch_loss.nats += 20.0 / static_cast<double>(progress_.step);
    progress_.epoch = progress_.step / 7;
    if (progress_.step % 7 == 0) progress_.epoch_perplexity = progress_.epoch_loss.Perplexity();
  }
  void StepAndAdd(TrainingCurve& curve, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      Step();
      curve.Add(progress_, 1, absl::FromUnixSeconds(progress_.step), 50);
    }
  }
  // Mean loss of the steps after `after`, up to `step`.
  static double Loss(int64_t after, int64_t step) {
    double sum = 0;
    for (int64_t n = after + 1; n <= step; ++n) sum += 1.0 / static_cast<double>(n);
    return sum / static_cast<double>(step - after);
  }
  static void ExpectLosses(const v1::ListTrainingMetricsResponse& curve, int64_t begin = 0) {
    int64_t before = begin;
    for (const v1::TrainingMetrics& point : curve.training_metrics()) {
      EXPECT_NEAR(point.training_loss(), Loss(before, point.step()), 1e-12) << point.step();
      EXPECT_NEAR(point.training_perplexity(), std::exp(point.training_loss()), 1e-12);
      EXPECT_EQ(point.tokens(), point.step() * 20);
      EXPECT_EQ(point.epochs_done(), point.step() / 7);
      EXPECT_EQ(point.has_epoch_training_perplexity(), point.step() >= 7);
      EXPECT_EQ(point.time().seconds(), point.step());
      before = point.step();
    }
  }

  TrainerProgress progress_;
};

TEST_F(CurveTest, HasAPointForEachStepOfAShortTraining) {
  TrainingCurve curve({}, progress_);
  EXPECT_EQ(curve.Snapshot().training_metrics_size(), 0);
  StepAndAdd(curve, 30);
  const auto snapshot = curve.Snapshot();
  EXPECT_EQ(snapshot.stride(), 1);
  EXPECT_EQ(snapshot.training_metrics_size(), 30);
  EXPECT_EQ(snapshot.training_metrics(29).attempt(), 1);
  EXPECT_EQ(snapshot.training_metrics(29).tokens_per_second(), 50);
  ExpectLosses(snapshot);
}

TEST_F(CurveTest, StaysBoundedAndLosesNoLossAsItGetsLonger) {
  TrainingCurve curve({}, progress_);
  StepAndAdd(curve, 10'001);
  const auto snapshot = curve.Snapshot();
  EXPECT_EQ(snapshot.stride(), 16);
  EXPECT_EQ(snapshot.training_metrics_size(), 10'001 / 16 + 1);
  EXPECT_EQ(snapshot.training_metrics(0).step(), 16);
  EXPECT_EQ(snapshot.training_metrics().rbegin()->step(), 10'001) << "where the training is";
  ExpectLosses(snapshot);
}

TEST_F(CurveTest, FollowsLossesThatComeBackLateAndSeveralAtOnce) {
  TrainingCurve curve({}, progress_);
  for (int i = 0; i < 100; ++i) {
    Step();
    // All of an epoch's are there at its end.
    if (progress_.step % 7 == 0 || progress_.step % 7 == 3) {
      curve.Add(progress_, 1, absl::FromUnixSeconds(progress_.step), 50);
    }
    curve.Add(progress_, 1, absl::FromUnixSeconds(progress_.step), 50);  // nothing new
  }
  ExpectLosses(curve.Snapshot());
}

TEST_F(CurveTest, GoesOnFromWhatWasStoredAsIfItHadNotStopped) {
  for (const int64_t stored_at : {5, 700, 1003, 5000, 9999}) {
    progress_ = {};
    TrainingCurve whole({}, progress_);
    StepAndAdd(whole, stored_at);
    TrainingCurve resumed(whole.Snapshot(), progress_);
    EXPECT_EQ(resumed.Snapshot().SerializeAsString(), whole.Snapshot().SerializeAsString());
    const TrainerProgress at = progress_;
    StepAndAdd(whole, 2000);
    progress_ = at;
    StepAndAdd(resumed, 2000);
    EXPECT_EQ(resumed.Snapshot().stride(), whole.Snapshot().stride());
    EXPECT_EQ(resumed.Snapshot().training_metrics_size(), whole.Snapshot().training_metrics_size());
    ExpectLosses(resumed.Snapshot());
  }
}

TEST_F(CurveTest, IsCutBackToWhereTheTrainingGoesOn) {
  TrainingCurve curve({}, progress_);
  StepAndAdd(curve, 20);
  const TrainerProgress checkpoint = progress_;
  StepAndAdd(curve, 30);
  const auto stored = curve.Snapshot();
  TrainingCurve cut(stored, checkpoint);
  EXPECT_EQ(cut.Snapshot().training_metrics_size(), 20);
  progress_ = checkpoint;
  StepAndAdd(cut, 30);
  ExpectLosses(cut.Snapshot());
  EXPECT_EQ(cut.Snapshot().training_metrics_size(), 50);
  TrainingCurve begun_anew(stored, TrainerProgress());
  EXPECT_EQ(begun_anew.Snapshot().training_metrics_size(), 0);
}

TEST_F(CurveTest, BeginsWhereAForkBegins) {
  for (int i = 0; i < 12; ++i) Step();
  TrainingCurve curve({}, progress_);
  StepAndAdd(curve, 3000);
  const auto snapshot = curve.Snapshot();
  EXPECT_EQ(snapshot.training_metrics(0).step(), 12 + snapshot.stride());
  ExpectLosses(snapshot, 12);
  TrainingCurve resumed(snapshot, progress_);
  StepAndAdd(resumed, 3000);
  EXPECT_GT(resumed.Snapshot().stride(), snapshot.stride());
  ExpectLosses(resumed.Snapshot(), 12);
}

}  // namespace
}  // namespace derin::server
