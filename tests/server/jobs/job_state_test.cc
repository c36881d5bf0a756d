#include "server/jobs/job_state.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>

#include "server/storage/training_job_table.h"

namespace derin::server {
namespace {

using v1::TrainingJob;

TEST(JobState, AllowsTheTransitionsOfTheDesignAndNoOther) {
  const std::set<std::pair<TrainingJob::State, TrainingJob::State>> legal = {
      {TrainingJob::STATE_QUEUED, TrainingJob::STATE_RUNNING},
      {TrainingJob::STATE_QUEUED, TrainingJob::STATE_CANCELLED},
      {TrainingJob::STATE_QUEUED, TrainingJob::STATE_PAUSED},
      {TrainingJob::STATE_RUNNING, TrainingJob::STATE_PAUSING},
      {TrainingJob::STATE_PAUSING, TrainingJob::STATE_PAUSED},
      {TrainingJob::STATE_PAUSING, TrainingJob::STATE_CANCELLING},
      {TrainingJob::STATE_PAUSING, TrainingJob::STATE_SUCCEEDED},
      {TrainingJob::STATE_PAUSING, TrainingJob::STATE_FAILED},
      {TrainingJob::STATE_PAUSED, TrainingJob::STATE_QUEUED},
      {TrainingJob::STATE_PAUSED, TrainingJob::STATE_CANCELLED},
      {TrainingJob::STATE_RUNNING, TrainingJob::STATE_QUEUED},
      {TrainingJob::STATE_RUNNING, TrainingJob::STATE_CANCELLING},
      {TrainingJob::STATE_RUNNING, TrainingJob::STATE_SUCCEEDED},
      {TrainingJob::STATE_RUNNING, TrainingJob::STATE_FAILED},
      {TrainingJob::STATE_CANCELLING, TrainingJob::STATE_CANCELLED},
  };
  for (int from = TrainingJob::State_MIN; from <= TrainingJob::State_MAX; ++from) {
    for (int to = TrainingJob::State_MIN; to <= TrainingJob::State_MAX; ++to) {
      const auto one = static_cast<TrainingJob::State>(from);
      const auto other = static_cast<TrainingJob::State>(to);
      EXPECT_EQ(CanBecome(one, other), legal.contains({one, other}))
          << TrainingJob::State_Name(one) << " to " << TrainingJob::State_Name(other);
    }
  }
}

TEST(JobState, NothingFollowsTheEnd) {
  for (int from = TrainingJob::State_MIN; from <= TrainingJob::State_MAX; ++from) {
    if (!IsOver(static_cast<TrainingJob::State>(from))) continue;
    for (int to = TrainingJob::State_MIN; to <= TrainingJob::State_MAX; ++to) {
      EXPECT_FALSE(
          CanBecome(static_cast<TrainingJob::State>(from), static_cast<TrainingJob::State>(to)));
    }
  }
}

TEST(JobState, IsNamedAsInTheApi) {
  for (int state = TrainingJob::State_MIN; state <= TrainingJob::State_MAX; ++state) {
    EXPECT_EQ("STATE_" + std::string(StateName(static_cast<TrainingJob::State>(state))),
              TrainingJob::State_Name(static_cast<TrainingJob::State>(state)));
  }
}

}  // namespace
}  // namespace derin::server
