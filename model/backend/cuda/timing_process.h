#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/backend/cuda/cuda_calls.h"
#include "model/backend/cuda/window_algorithm.h"
#include "model/backend/stack_config.h"

// Algorithms are timed in a process of its own: what one of cuDNN's breaks, which may be the use of
// the GPU or the process itself, is then not the server's.

namespace derin::cuda {

// Which algorithms are to be timed for a training's windows, and on which GPU.
struct TimingRequest {
  int ordinal = 0;
  StackConfig config;
  StackExtent extent;
  std::vector<WindowAlgorithm> algorithms;
};

// The words of a command line, for both sides of it.
std::vector<std::string> WordsOf(const TimingRequest& request);
// INVALID_ARGUMENT for what is not WordsOf a request.
absl::StatusOr<TimingRequest> ParseTimingRequest(const std::vector<std::string>& words);

// TimeOfTraining of each of request.algorithms, in that order, measured by processes of `program`
// with WordsOf(request), which end within `limit` altogether. When one dies before it has answered,
// the algorithm that it was at has failed, with ABORTED or, at the limit, DEADLINE_EXCEEDED, and
// another process goes on with the next.
std::vector<absl::StatusOr<double>> TimeInProcesses(const std::string& program,
                                                    const TimingRequest& request,
                                                    absl::Duration limit);

// What such a process does: answers for each algorithm with a line on `out`. Ends early, without an
// answer for the rest, when the GPU is of no use to it any more. Returns the exit status.
int AnswerTimings(const CudaCalls& calls, const std::vector<std::string>& words, std::FILE* out);

}  // namespace derin::cuda
