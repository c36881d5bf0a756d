#pragma once

#include <cuda_runtime_api.h>

#include <tuple>

#include "model/backend/cuda/kernels/chunks.h"
#include "model/backend/cuda/kernels/head.h"
#include "model/backend/cuda/kernels/loss.h"
#include "model/backend/cuda/kernels/states.h"
#include "model/backend/cuda/kernels/step.h"
#include "model/backend/cuda/kernels/sums.h"
#include "model/backend/cuda/kernels/update.h"
#include "model/backend/cuda/kernels/window.h"

namespace derin::cuda {

// Enqueues a kernel; does nothing for one without items or blocks.
template <class Kernel>
using Launcher = cudaError_t (*)(const Kernel&, cudaStream_t);

template <class... Kernel>
struct KernelList {
  using Launchers = std::tuple<Launcher<Kernel>...>;
};

// Every own kernel. A new one takes its place here and is compiled with the others.
using OwnKernels =
    KernelList<GatherWindow, OneHot, PackWeights, UnpackGradients, CountTargets,
               SoftmaxCrossEntropy, SquaresOfChunks, SumOfDoubles, ColumnSumsOfRows, ColumnSums,
               PrepareUpdate, UpdateBySgd, UpdateByAdam, ReadSlots, WriteSlots, Transpose,
               StepLayer<Cell::kVanillaTanh>, StepLayer<Cell::kVanillaRelu>, StepLayer<Cell::kGru>,
               StepLayer<Cell::kLstm>, FinishStep, RowLogits, SampleRows>;

using Kernels = OwnKernels::Launchers;

// The launchers that run on the GPU.
const Kernels& DeviceKernels();

}  // namespace derin::cuda
