#include "tests/model/backend/cuda/fake_cublaslt.h"

#include <cstring>

#include "model/backend/cuda/kernels/half.h"
#include "tests/model/backend/cuda/fake_gpu.h"

namespace derin::cuda {
namespace {

struct Operation {
  bool tf32 = false;
  int32_t transpose_a = CUBLAS_OP_N, transpose_b = CUBLAS_OP_N;
  uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const float* bias = nullptr;
};
struct Layout {
  cudaDataType type;
  uint64_t rows, columns;
  int64_t leading;
  // As a factor.
  double At(const void* data, uint64_t row, uint64_t column, bool tf32) const {
    const uint64_t at = column * leading + row;
    if (type == CUDA_R_16F) return ToFloat(static_cast<const F16*>(data)[at]);
    if (type == CUDA_R_16BF) return ToFloat(static_cast<const Bf16*>(data)[at]);
    const float value = static_cast<const float*>(data)[at];
    // Ten bits after the point.
    return tf32 ? FloatOf((BitsOf(value) + 0x1000) & ~0x1fffu) : value;
  }
};
struct Preference {
  uint64_t workspace = 0;
  uint32_t alignments[4] = {256, 256, 256, 256};  // of a, b, c, d
  uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_MASK;
};

Operation* Fake(cublasLtMatmulDesc_t handle) { return reinterpret_cast<Operation*>(handle); }
Layout* Fake(cublasLtMatrixLayout_t handle) { return reinterpret_cast<Layout*>(handle); }
Preference* Fake(cublasLtMatmulPreference_t handle) {
  return reinterpret_cast<Preference*>(handle);
}

template <class To>
cublasStatus_t Take(To& to, const void* from, size_t bytes) {
  if (bytes != sizeof to) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&to, from, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t SetOperation(cublasLtMatmulDesc_t handle, cublasLtMatmulDescAttributes_t attribute,
                            const void* value, size_t bytes) {
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return Take(Fake(handle)->transpose_a, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return Take(Fake(handle)->transpose_b, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return Take(Fake(handle)->epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return Take(Fake(handle)->bias, value, bytes);
    default:
      return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

cublasStatus_t SetPreference(cublasLtMatmulPreference_t handle,
                             cublasLtMatmulPreferenceAttributes_t attribute, const void* value,
                             size_t bytes) {
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return Take(Fake(handle)->workspace, value, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      return Take(Fake(handle)->reduction, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
      return Take(Fake(handle)->alignments[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES],
                  value, bytes);
    default:
      return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

// The alignments that were asked for travel in the algorithm, and Matmul checks them.
cublasStatus_t Choose(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t,
                      cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                      cublasLtMatmulPreference_t preference, int,
                      cublasLtMatmulHeuristicResult_t* to, int* found) {
  FakeGpu::current()->Log("cublasLtMatmulAlgoGetHeuristic");
  if (const int error = FakeGpu::current()->TakeFailure("cublasLtMatmulAlgoGetHeuristic")) {
    return static_cast<cublasStatus_t>(error);
  }
  *found = 0;
  // One that adds in place would not be the same each time.
  if ((Fake(preference)->reduction & CUBLASLT_REDUCTION_SCHEME_INPLACE) != 0) {
    return CUBLAS_STATUS_SUCCESS;
  }
  *to = {};
  to->state = CUBLAS_STATUS_SUCCESS;
  for (int i = 0; i < 4; ++i) to->algo.data[i] = Fake(preference)->alignments[i];
  to->algo.data[4] = Fake(preference)->workspace;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t Matmul(cublasLtHandle_t, cublasLtMatmulDesc_t operation_handle, const void* alpha,
                      const void* a, cublasLtMatrixLayout_t a_handle, const void* b,
                      cublasLtMatrixLayout_t b_handle, const void* beta, const void*,
                      cublasLtMatrixLayout_t, void* d, cublasLtMatrixLayout_t d_handle,
                      const cublasLtMatmulAlgo_t* algorithm, void*, size_t workspace,
                      cudaStream_t stream) {
  if (const int error = FakeGpu::current()->TakeFailure("cublasLtMatmul")) {
    return static_cast<cublasStatus_t>(error);
  }
  const Operation op = *Fake(operation_handle);
  const Layout in_a = *Fake(a_handle), in_b = *Fake(b_handle), out = *Fake(d_handle);
  const bool ta = op.transpose_a == CUBLAS_OP_T, tb = op.transpose_b == CUBLAS_OP_T;
  const uint64_t inner = ta ? in_a.rows : in_a.columns;
  const void* addresses[] = {a, b, d, d};
  for (int i = 0; i < 4; ++i) {
    if (reinterpret_cast<uintptr_t>(addresses[i]) % algorithm->data[i] != 0) {
      return CUBLAS_STATUS_INVALID_VALUE;
    }
  }
  if (in_a.type != in_b.type || out.type != CUDA_R_32F || (op.tf32 && in_a.type != CUDA_R_32F) ||
      *static_cast<const float*>(alpha) != 1 || *static_cast<const float*>(beta) != 0 ||
      workspace < algorithm->data[4] || (ta ? in_a.columns : in_a.rows) != out.rows ||
      (tb ? in_b.rows : in_b.columns) != out.columns || (tb ? in_b.columns : in_b.rows) != inner ||
      in_a.leading < static_cast<int64_t>(in_a.rows) ||
      in_b.leading < static_cast<int64_t>(in_b.rows) ||
      (op.epilogue == CUBLASLT_EPILOGUE_BIAS) != (op.bias != nullptr)) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  auto* to = static_cast<float*>(d);
  const cudaError_t error = FakeGpu::current()->Enqueue(
      "cublasLtMatmul", reinterpret_cast<FakeGpu::Stream*>(stream), [=] {
        for (uint64_t column = 0; column < out.columns; ++column) {
          for (uint64_t row = 0; row < out.rows; ++row) {
            double sum = op.bias != nullptr ? op.bias[row] : 0;
            for (uint64_t k = 0; k < inner; ++k) {
              sum += (ta ? in_a.At(a, k, row, op.tf32) : in_a.At(a, row, k, op.tf32)) *
                     (tb ? in_b.At(b, column, k, op.tf32) : in_b.At(b, k, column, op.tf32));
            }
            to[column * out.leading + row] = static_cast<float>(sum);
          }
        }
      });
  return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

template <class Handle, class Fake>
cublasStatus_t Destroy(Handle handle) {
  delete reinterpret_cast<Fake*>(handle);
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace

CublasLtCalls FakeCublasLt() {
  return {
      .GetStatusString = [](cublasStatus_t) -> const char* { return "a product went wrong"; },
      .Create =
          [](cublasLtHandle_t* to) {
            *to = reinterpret_cast<cublasLtHandle_t>(new int);
            return CUBLAS_STATUS_SUCCESS;
          },
      .Destroy = &Destroy<cublasLtHandle_t, int>,
      .MatmulDescCreate =
          [](cublasLtMatmulDesc_t* to, cublasComputeType_t compute, cudaDataType_t scale) {
            const bool tf32 = compute == CUBLAS_COMPUTE_32F_FAST_TF32;
            if ((compute != CUBLAS_COMPUTE_32F && !tf32) || scale != CUDA_R_32F) {
              return CUBLAS_STATUS_NOT_SUPPORTED;
            }
            *to = reinterpret_cast<cublasLtMatmulDesc_t>(new Operation{.tf32 = tf32});
            return CUBLAS_STATUS_SUCCESS;
          },
      .MatmulDescDestroy = &Destroy<cublasLtMatmulDesc_t, Operation>,
      .MatmulDescSetAttribute = &SetOperation,
      .MatrixLayoutCreate =
          [](cublasLtMatrixLayout_t* to, cudaDataType type, uint64_t rows, uint64_t columns,
             int64_t leading) {
            *to =
                reinterpret_cast<cublasLtMatrixLayout_t>(new Layout{type, rows, columns, leading});
            return CUBLAS_STATUS_SUCCESS;
          },
      .MatrixLayoutDestroy = &Destroy<cublasLtMatrixLayout_t, Layout>,
      .MatmulPreferenceCreate =
          [](cublasLtMatmulPreference_t* to) {
            *to = reinterpret_cast<cublasLtMatmulPreference_t>(new Preference);
            return CUBLAS_STATUS_SUCCESS;
          },
      .MatmulPreferenceDestroy = &Destroy<cublasLtMatmulPreference_t, Preference>,
      .MatmulPreferenceSetAttribute = &SetPreference,
      .MatmulAlgoGetHeuristic = &Choose,
      .Matmul = &Matmul,
  };
}

}  // namespace derin::cuda
