#pragma once

#include <cudnn.h>

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/backend/stack_config.h"

namespace derin::cuda {

// `standard`, `persist-static`, `small-h`: the names used in files and logs.
std::string_view AlgorithmName(cudnnRNNAlgo_t algorithm);

// What cuDNN may compute windows of a stack with, the one that can do all of them first. By its
// documentation (cudnnRNNAlgo_t) the persistent ones have no bfloat16, and SMALL_H trains up to 128
// units of an LSTM or a GRU and 256 of a vanilla cell. PERSIST_DYNAMIC is left out: it compiles at
// run time, for one size of batch, and was slower than the others at each size and type that we
// timed on an H100. Without training STANDARD will do.
std::vector<cudnnRNNAlgo_t> AlgorithmsFor(const StackConfig& config, const StackExtent& extent);

// The algorithm of this name among `algorithms`.
std::optional<cudnnRNNAlgo_t> FindAlgorithm(const std::vector<cudnnRNNAlgo_t>& algorithms,
                                            std::string_view name);

// The one of `algorithms` with the least of what `time` says, without asking it about one alone.
// One that it fails for is out, whatever it says; when it fails for all of them, its first error.
absl::StatusOr<cudnnRNNAlgo_t> QuickestAlgorithm(
    const std::vector<cudnnRNNAlgo_t>& algorithms,
    const std::function<absl::StatusOr<double>(cudnnRNNAlgo_t)>& time);

}  // namespace derin::cuda
