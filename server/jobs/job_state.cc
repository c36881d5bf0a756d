#include "server/jobs/job_state.h"

namespace derin::server {

using v1::TrainingJob;

bool CanBecome(TrainingJob::State from, TrainingJob::State to) {
  switch (from) {
    case TrainingJob::STATE_QUEUED:
      return to == TrainingJob::STATE_RUNNING || to == TrainingJob::STATE_PAUSED ||
             to == TrainingJob::STATE_CANCELLED;
    case TrainingJob::STATE_RUNNING:
      return to == TrainingJob::STATE_QUEUED || to == TrainingJob::STATE_PAUSING ||
             to == TrainingJob::STATE_CANCELLING || to == TrainingJob::STATE_SUCCEEDED ||
             to == TrainingJob::STATE_FAILED;
    case TrainingJob::STATE_PAUSING:
      return to == TrainingJob::STATE_PAUSED || to == TrainingJob::STATE_CANCELLING ||
             to == TrainingJob::STATE_SUCCEEDED || to == TrainingJob::STATE_FAILED;
    case TrainingJob::STATE_PAUSED:
      return to == TrainingJob::STATE_QUEUED || to == TrainingJob::STATE_CANCELLED;
    case TrainingJob::STATE_CANCELLING:
      return to == TrainingJob::STATE_CANCELLED;
    default:
      return false;
  }
}

std::string_view StateName(TrainingJob::State state) {
  switch (state) {
    case TrainingJob::STATE_QUEUED:
      return "QUEUED";
    case TrainingJob::STATE_RUNNING:
      return "RUNNING";
    case TrainingJob::STATE_CANCELLING:
      return "CANCELLING";
    case TrainingJob::STATE_PAUSING:
      return "PAUSING";
    case TrainingJob::STATE_PAUSED:
      return "PAUSED";
    case TrainingJob::STATE_SUCCEEDED:
      return "SUCCEEDED";
    case TrainingJob::STATE_FAILED:
      return "FAILED";
    case TrainingJob::STATE_CANCELLED:
      return "CANCELLED";
    default:
      return "UNSPECIFIED";
  }
}

}  // namespace derin::server
