#pragma once

#include <cudnn.h>

#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/backend/cuda/device.h"
#include "model/backend/stack_config.h"

namespace derin::cuda {

// What computes windows of a stack.
enum class WindowAlgorithm {
  // cuDNN's; see cudnnRNNAlgo_t.
  kStandard,
  kPersistStatic,
  kSmallH,
  // See LstmWindows.
  kOwnKernels,
  kStepProducts,
};

// `standard`, `persist-static`, `small-h`, `own-kernels`, `step-products`: the names used in files
// and logs.
std::string_view AlgorithmName(WindowAlgorithm algorithm);

// cuDNN's name of one of its own; nothing for ours.
std::optional<cudnnRNNAlgo_t> CudnnAlgorithm(WindowAlgorithm algorithm);

// What may compute windows of a stack, one that always can first. In f32 the own kernels are alone
// where they have room: they were quicker than cuDNN for each size that we timed on an H100. By
// cuDNN's documentation its persistent algorithms have no bfloat16, and SMALL_H trains up to 128
// units of an LSTM or a GRU and 256 of a vanilla cell. PERSIST_DYNAMIC is left out: it compiles at
// run time, for one size of batch, and was slower than the others at each size and type that we
// timed on an H100. Without training STANDARD will do. Dropout takes cuDNN a call for each layer
// (LayeredWindows), so that it computes what we have nothing of our own for, and by STANDARD.
std::vector<WindowAlgorithm> AlgorithmsFor(const Device& device, const StackConfig& config,
                                           const StackExtent& extent);

std::optional<WindowAlgorithm> FindAlgorithm(std::string_view name);
// The algorithm of this name among `algorithms`.
std::optional<WindowAlgorithm> FindAlgorithm(const std::vector<WindowAlgorithm>& algorithms,
                                             std::string_view name);

struct AlgorithmChoice {
  WindowAlgorithm algorithm;
  // Whether another measurement would only say the same again: none is out for what is not its own
  // fault, that memory or time was short (RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED) or the process
  // that timed it broke (ABORTED).
  bool lasting = true;
};

// The one of `algorithms` with the least of `times`, which are in the same order. One whose time is
// an error is out. When all of them are, the first that there was no memory to time, for there may
// be enough to use it; and where there is none, the first error.
absl::StatusOr<AlgorithmChoice> QuickestAlgorithm(const std::vector<WindowAlgorithm>& algorithms,
                                                  const std::vector<absl::StatusOr<double>>& times);

}  // namespace derin::cuda
