#pragma once

#include <cuda_runtime_api.h>

#include <tuple>

#include "model/backend/cuda/kernels/chunks.h"
#include "model/backend/cuda/kernels/copy.h"
#include "model/backend/cuda/kernels/dropout.h"
#include "model/backend/cuda/kernels/float_step.h"
#include "model/backend/cuda/kernels/half.h"
#include "model/backend/cuda/kernels/head.h"
#include "model/backend/cuda/kernels/loss.h"
#include "model/backend/cuda/kernels/lstm_cell.h"
#include "model/backend/cuda/kernels/lstm_window.h"
#include "model/backend/cuda/kernels/sample.h"
#include "model/backend/cuda/kernels/states.h"
#include "model/backend/cuda/kernels/step.h"
#include "model/backend/cuda/kernels/sums.h"
#include "model/backend/cuda/kernels/tensor_step.h"
#include "model/backend/cuda/kernels/update.h"
#include "model/backend/cuda/kernels/window.h"

namespace derin::cuda {

// Enqueues a kernel; does nothing for one without items or blocks.
template <class Kernel>
using Launcher = cudaError_t (*)(const Kernel&, cudaStream_t);

template <class... Kernel>
struct KernelList {
  using Launchers = std::tuple<Launcher<Kernel>...>;

  template <class... More>
  static KernelList<Kernel..., More...> With(WindowVariants<More...>);
};

// Every own kernel. A new one takes its place here and is compiled with the others.
using SmallKernels = KernelList<
    GatherWindow, OneHot<float>, OneHot<F16>, OneHot<Bf16>, PackWeights<float>, PackWeights<F16>,
    PackWeights<Bf16>, UnpackGradients<float>, UnpackGradients<F16>, UnpackGradients<Bf16>,
    Narrow<F16>, Narrow<Bf16>, Widen<F16>, Widen<Bf16>, CountTargets, SoftmaxCrossEntropy,
    SquaresOfChunks, SumOfDoubles, ColumnSums, PrepareUpdate, UpdateBySgd, UpdateByMomentum,
    UpdateByAdam, ReadSlots, WriteSlots, CopyBytes, PackStepRows, PackStepFragments<F16>,
    PackStepFragments<Bf16>, StepStarts<float>, StepStarts<F16>, StepStarts<Bf16>,
    FloatStepLayer<SmallFloatTile>, FloatStepLayer<MediumFloatTile>, FloatStepLayer<LargeFloatTile>,
    TensorStepLayer<SmallTensorTile<F16>>, TensorStepLayer<LargeTensorTile<F16>>,
    TensorStepLayer<SmallTensorTile<Bf16>>, TensorStepLayer<LargeTensorTile<Bf16>>, FinishStep,
    RowLogits, SampleRows, SampleRowsOfMany, InputTable, SumOfTwo, LstmStepForward<float>,
    LstmStepForward<F16>, LstmStepForward<Bf16>, LstmStepBackward<float>, LstmStepBackward<F16>,
    LstmStepBackward<Bf16>, Unscale, Drop<float, float>, Drop<float, F16>, Drop<float, Bf16>,
    Drop<F16, F16>, Drop<Bf16, Bf16>>;
using OwnKernels =
    decltype(decltype(SmallKernels::With(LstmForwardVariants()))::With(LstmBackwardVariants()));

using Kernels = OwnKernels::Launchers;

// The launchers that run on the GPU.
const Kernels& DeviceKernels();

}  // namespace derin::cuda
