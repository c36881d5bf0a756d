#include "model/backend/cuda/rnn_algorithm.h"

namespace derin::cuda {

std::string_view AlgorithmName(cudnnRNNAlgo_t algorithm) {
  switch (algorithm) {
    case CUDNN_RNN_ALGO_STANDARD:
      return "standard";
    case CUDNN_RNN_ALGO_PERSIST_STATIC:
      return "persist-static";
    case CUDNN_RNN_ALGO_PERSIST_STATIC_SMALL_H:
      return "small-h";
    default:
      return "";
  }
}

std::vector<cudnnRNNAlgo_t> AlgorithmsFor(const StackConfig& config, const StackExtent& extent) {
  std::vector<cudnnRNNAlgo_t> algorithms = {CUDNN_RNN_ALGO_STANDARD};
  if (!extent.training || config.precision == Precision::kBf16) return algorithms;
  algorithms.push_back(CUDNN_RNN_ALGO_PERSIST_STATIC);
  const bool vanilla = GateCount(config.cell) == 1;
  if (config.hidden <= (vanilla ? 256 : 128)) {
    algorithms.push_back(CUDNN_RNN_ALGO_PERSIST_STATIC_SMALL_H);
  }
  return algorithms;
}

std::optional<cudnnRNNAlgo_t> FindAlgorithm(const std::vector<cudnnRNNAlgo_t>& algorithms,
                                            std::string_view name) {
  for (const cudnnRNNAlgo_t algorithm : algorithms) {
    if (AlgorithmName(algorithm) == name) return algorithm;
  }
  return std::nullopt;
}

absl::StatusOr<cudnnRNNAlgo_t> QuickestAlgorithm(
    const std::vector<cudnnRNNAlgo_t>& algorithms,
    const std::function<absl::StatusOr<double>(cudnnRNNAlgo_t)>& time) {
  if (algorithms.size() == 1) return algorithms.front();
  absl::Status first_error;
  std::optional<cudnnRNNAlgo_t> quickest;
  double least = 0;
  for (const cudnnRNNAlgo_t algorithm : algorithms) {
    const absl::StatusOr<double> seconds = time(algorithm);
    first_error.Update(seconds.status());
    if (!seconds.ok() || (quickest && *seconds >= least)) continue;
    quickest = algorithm;
    least = *seconds;
  }
  if (!quickest) return first_error;
  return *quickest;
}

}  // namespace derin::cuda
