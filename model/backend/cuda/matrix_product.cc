#include "model/backend/cuda/matrix_product.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_format.h"

namespace derin::cuda {
namespace {

// The largest power of two up to 256 that the address is a multiple of.
uint32_t AlignmentOf(const void* address) {
  const auto number = reinterpret_cast<uintptr_t>(address) | 256;
  return static_cast<uint32_t>(number & -number);
}

cudaDataType_t TypeOf(Precision factors) {
  if (factors == Precision::kF16) return CUDA_R_16F;
  return factors == Precision::kBf16 ? CUDA_R_16BF : CUDA_R_32F;
}

}  // namespace

absl::StatusOr<std::unique_ptr<MatrixProducts>> MatrixProducts::Create(Device& device) {
  auto products = std::unique_ptr<MatrixProducts>(new MatrixProducts(device));
  const CublasLtCalls& blas = device.calls().blas;
  Attempt attempt(device);
  if (!attempt.Make(products->handle_, "cublasLtCreate", blas.Create, blas.Destroy)) {
    return attempt.status();
  }
  auto workspace = device.Allocate(ElementType::kByte, kWorkspaceBytes);
  if (!workspace.ok()) return workspace.status();
  products->workspace_ = *std::move(workspace);
  return products;
}

MatrixProducts::Key MatrixProducts::KeyOf(const MatrixProduct& p) {
  return {p.rows,
          p.columns,
          p.inner,
          p.factors,
          p.transpose_a,
          p.transpose_b,
          p.bias != nullptr,
          AlignmentOf(p.a),
          AlignmentOf(p.b),
          AlignmentOf(p.c),
          AlignmentOf(p.bias)};
}

// cuBLASLt is column-major: what is [rows, columns] here is [columns, rows] there, so that
// c = a b is c' = b' a', with the factors swapped and the transpositions as they are.
absl::StatusOr<MatrixProducts::Plan> MatrixProducts::MakePlan(const MatrixProduct& p) {
  const CublasLtCalls& blas = device_.calls().blas;
  Plan plan;
  Attempt attempt(device_);
  const cudaDataType_t type = TypeOf(p.factors);
  const auto layout = [&](Owned<cublasLtMatrixLayout_t>& to, cudaDataType_t of, int64_t rows,
                          int64_t columns) {
    return attempt.Make(
        to, "cublasLtMatrixLayoutCreate",
        [&](cublasLtMatrixLayout_t* made) {
          return blas.MatrixLayoutCreate(made, of, columns, rows, columns);
        },
        blas.MatrixLayoutDestroy);
  };
  const auto operation = [&](cublasLtMatmulDescAttributes_t attribute, const auto& value) {
    return attempt(
        blas.MatmulDescSetAttribute(plan.operation.get(), attribute, &value, sizeof value),
        "cublasLtMatmulDescSetAttribute");
  };
  Owned<cublasLtMatmulPreference_t> preference;
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
    return attempt(
        blas.MatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof value),
        "cublasLtMatmulPreferenceSetAttribute");
  };

  const int32_t first = p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
  const int32_t second = p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
  const uint32_t epilogue = p.bias != nullptr ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
  // In place would add in the order in which blocks come to an end.
  const uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  const uint64_t workspace = kWorkspaceBytes;
  // CUBLAS_COMPUTE_32F is f32 throughout: TF32 has to be asked for.
  const cublasComputeType_t compute =
      p.factors == Precision::kTf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  attempt.Make(
      plan.operation, "cublasLtMatmulDescCreate",
      [&](cublasLtMatmulDesc_t* made) { return blas.MatmulDescCreate(made, compute, CUDA_R_32F); },
      blas.MatmulDescDestroy) &&
      operation(CUBLASLT_MATMUL_DESC_TRANSA, first) &&
      operation(CUBLASLT_MATMUL_DESC_TRANSB, second) &&
      operation(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue) &&
      (p.bias == nullptr || operation(CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias)) &&
      (p.transpose_b ? layout(plan.b, type, p.columns, p.inner)
                     : layout(plan.b, type, p.inner, p.columns)) &&
      (p.transpose_a ? layout(plan.a, type, p.inner, p.rows)
                     : layout(plan.a, type, p.rows, p.inner)) &&
      layout(plan.c, CUDA_R_32F, p.rows, p.columns) &&
      attempt.Make(preference, "cublasLtMatmulPreferenceCreate", blas.MatmulPreferenceCreate,
                   blas.MatmulPreferenceDestroy) &&
      prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace) &&
      prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reduction) &&
      // The library takes 256 bytes for granted, and slices of a flat buffer lie anywhere.
      prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, AlignmentOf(p.b)) &&
      prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, AlignmentOf(p.a)) &&
      prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, AlignmentOf(p.c)) &&
      prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, AlignmentOf(p.c));
  if (!attempt.status().ok()) return attempt.status();

  cublasLtMatmulHeuristicResult_t choice = {};
  int found = 0;
  attempt(
      blas.MatmulAlgoGetHeuristic(handle_.get(), plan.operation.get(), plan.b.get(), plan.a.get(),
                                  plan.c.get(), plan.c.get(), preference.get(), 1, &choice, &found),
      "cublasLtMatmulAlgoGetHeuristic") &&
      attempt(choice.state, "cublasLtMatmulAlgoGetHeuristic");
  if (!attempt.status().ok()) return attempt.status();
  if (found == 0) {
    return absl::InternalError(absl::StrFormat(
        "cublasLtMatmulAlgoGetHeuristic: no algorithm for a product of [%d, %d] and [%d, %d]",
        p.rows, p.inner, p.inner, p.columns));
  }
  plan.algorithm = choice.algo;
  return plan;
}

absl::Status MatrixProducts::Enqueue(const MatrixProduct& product, cudaStream_t stream) {
  const CublasLtCalls& blas = device_.calls().blas;
  const Key key = KeyOf(product);
  auto found = plans_.find(key);
  if (found == plans_.end()) {
    auto plan = MakePlan(product);
    if (!plan.ok()) return plan.status();
    found = plans_.emplace(key, *std::move(plan)).first;
  }
  const Plan& plan = found->second;
  const float one = 1, zero = 0;
  Attempt attempt(device_);
  (product.bias == nullptr ||
   attempt(blas.MatmulDescSetAttribute(plan.operation.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                                       &product.bias, sizeof product.bias),
           "cublasLtMatmulDescSetAttribute")) &&
      attempt(
          blas.Matmul(handle_.get(), plan.operation.get(), &one, product.b, plan.b.get(), product.a,
                      plan.a.get(), &zero, product.c, plan.c.get(), product.c, plan.c.get(),
                      &plan.algorithm, workspace_.view().data, kWorkspaceBytes, stream),
          "cublasLtMatmul");
  return attempt.status();
}

}  // namespace derin::cuda
