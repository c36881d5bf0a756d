#include "model/backend/cuda/window_algorithm.h"

#include <iterator>

#include "model/backend/cuda/lstm_windows.h"
#include "model/check.h"

namespace derin::cuda {
namespace {

constexpr WindowAlgorithm kAll[] = {WindowAlgorithm::kStandard, WindowAlgorithm::kPersistStatic,
                                    WindowAlgorithm::kSmallH, WindowAlgorithm::kOwnKernels,
                                    WindowAlgorithm::kStepProducts};

}  // namespace

std::string_view AlgorithmName(WindowAlgorithm algorithm) {
  switch (algorithm) {
    case WindowAlgorithm::kStandard:
      return "standard";
    case WindowAlgorithm::kPersistStatic:
      return "persist-static";
    case WindowAlgorithm::kSmallH:
      return "small-h";
    case WindowAlgorithm::kOwnKernels:
      return "own-kernels";
    case WindowAlgorithm::kStepProducts:
      return "step-products";
  }
  return "";
}

std::optional<cudnnRNNAlgo_t> CudnnAlgorithm(WindowAlgorithm algorithm) {
  switch (algorithm) {
    case WindowAlgorithm::kStandard:
      return CUDNN_RNN_ALGO_STANDARD;
    case WindowAlgorithm::kPersistStatic:
      return CUDNN_RNN_ALGO_PERSIST_STATIC;
    case WindowAlgorithm::kSmallH:
      return CUDNN_RNN_ALGO_PERSIST_STATIC_SMALL_H;
    case WindowAlgorithm::kOwnKernels:
    case WindowAlgorithm::kStepProducts:
      break;
  }
  return std::nullopt;
}

std::vector<WindowAlgorithm> AlgorithmsFor(const Device& device, const StackConfig& config,
                                           const StackExtent& extent) {
  const bool own_kernels = LstmWindows::HasRoom(device, config, extent);
  if (own_kernels && config.precision == Precision::kF32) return {WindowAlgorithm::kOwnKernels};
  if (Drops(config, extent)) {
    if (config.cell != Cell::kLstm) return {WindowAlgorithm::kStandard};
    return {own_kernels ? WindowAlgorithm::kOwnKernels : WindowAlgorithm::kStepProducts};
  }
  std::vector<WindowAlgorithm> algorithms = {WindowAlgorithm::kStandard};
  if (!extent.training) return algorithms;
  if (config.precision != Precision::kBf16) {
    algorithms.push_back(WindowAlgorithm::kPersistStatic);
    const bool vanilla = GateCount(config.cell) == 1;
    if (config.hidden <= (vanilla ? 256 : 128)) algorithms.push_back(WindowAlgorithm::kSmallH);
  }
  if (own_kernels) algorithms.push_back(WindowAlgorithm::kOwnKernels);
  if (config.cell == Cell::kLstm) algorithms.push_back(WindowAlgorithm::kStepProducts);
  return algorithms;
}

std::optional<WindowAlgorithm> FindAlgorithm(std::string_view name) {
  return FindAlgorithm({std::begin(kAll), std::end(kAll)}, name);
}

std::optional<WindowAlgorithm> FindAlgorithm(const std::vector<WindowAlgorithm>& algorithms,
                                             std::string_view name) {
  for (const WindowAlgorithm algorithm : algorithms) {
    if (AlgorithmName(algorithm) == name) return algorithm;
  }
  return std::nullopt;
}

absl::StatusOr<AlgorithmChoice> QuickestAlgorithm(
    const std::vector<WindowAlgorithm>& algorithms,
    const std::vector<absl::StatusOr<double>>& times) {
  DERIN_CHECK(!algorithms.empty() && algorithms.size() == times.size());
  absl::Status first_error;
  std::optional<WindowAlgorithm> quickest, without_memory;
  bool lasting = true;
  double least = 0;
  for (size_t i = 0; i < algorithms.size(); ++i) {
    const absl::Status status = times[i].status();
    first_error.Update(status);
    if (absl::IsResourceExhausted(status) && !without_memory) without_memory = algorithms[i];
    lasting = lasting && !absl::IsResourceExhausted(status) && !absl::IsDeadlineExceeded(status) &&
              !absl::IsAborted(status);
    if (!status.ok() || (quickest && *times[i] >= least)) continue;
    quickest = algorithms[i];
    least = *times[i];
  }
  if (!quickest) quickest = without_memory;
  if (!quickest) return first_error;
  return AlgorithmChoice{*quickest, lasting};
}

}  // namespace derin::cuda
