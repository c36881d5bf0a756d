#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "model/backend/backend.h"
#include "model/backend/cuda/cuda_calls.h"

namespace derin {

// What one visit to a GPU has to show, each as a JSON object with `passed`. An error is what a call
// returned; a wrong result is `passed` false with the figures beside it.
using Finding = absl::StatusOr<nlohmann::json>;

// A small LSTM learns a text of six tokens by heart, on the graph of a step.
Finding Smoke(Backend& backend, Precision precision);

// Where cuDNN puts each tensor: for each of `configs` its runs {canonical, packed, count}, in
// elements. Passed when they cover the whole canonical buffer, each element once.
Finding WeightOffsets(const cuda::CudaCalls& calls, const std::vector<StackConfig>& configs);

// Trains `steps` steps twice on graphs and once without; passed when all that the next step depends
// on has the same digest each time.
Finding TrainingDigests(Backend& backend, const StackConfig& config, int steps);

// One step of N = 1, 7, 64, ... and `most` rows with the rows permuted, once among neighbours that
// are NaN; passed when each row's state, top h, logits and token have the same bits as among all.
Finding StepBits(Backend& backend, const StackConfig& config, int most);

// The kernels at the edges of windows on small arrays; passed when they leave the bits that they
// leave on the host.
Finding KernelBits(const cuda::CudaCalls& calls);

// All operations around a stack on small arrays; passed when they run and add up.
Finding Operations(Backend& backend);

// The recipe of the design on the text at `path`. Passed when one of the last ten of `epochs` is at
// or under a perplexity of 1.1, in bf16 of 1.15.
Finding Recipe(Backend& backend, Precision precision, const std::string& path, uint64_t seed,
               int epochs);

// How a training's stack of this size is computed: RecurrentStack::choice().
absl::StatusOr<std::string> ChoiceOf(Backend& backend, const StackConfig& config, int batch,
                                     int steps);

// Tokens per second, the median of five stretches that together take `seconds`.
Finding TrainingSpeed(Backend& backend, const StackConfig& config, double seconds);
// `steps` at a time between two round trips to the host.
Finding SamplingSpeed(Backend& backend, const StackConfig& config, int batch, int steps,
                      double seconds);

}  // namespace derin
