#pragma once

#include <map>
#include <memory>
#include <tuple>

#include "absl/status/statusor.h"
#include "model/backend/cuda/device.h"
#include "model/backend/stack_config.h"

namespace derin::cuda {

// c [rows, columns] = op(a) op(b), with op the transposition where it is asked for, plus a bias
// for each column where there is one; all row-major and dense, the sums in f32.
struct MatrixProduct {
  const void* a = nullptr;  // [rows, inner], or [inner, rows] to be transposed
  const void* b = nullptr;  // [inner, columns], or [columns, inner] to be transposed
  float* c = nullptr;       // [rows, columns]
  const float* bias = nullptr;
  // Of a and b: f32, f32 that is rounded to TF32 on its way, F16 or Bf16.
  Precision factors = Precision::kF32;
  bool transpose_a = false, transpose_b = false;
  int64_t rows = 0, columns = 0, inner = 0;
};

// Products by cuBLASLt, in one queue's order. The algorithm of a shape is chosen once and kept: the
// library's first choice among those that add in an order that does not vary.
class MatrixProducts {
 public:
  // NVIDIA's advice for Hopper is 32 MiB (cuBLAS documentation, cublasSetWorkspace).
  static constexpr size_t kWorkspaceBytes = size_t{32} << 20;

  static absl::StatusOr<std::unique_ptr<MatrixProducts>> Create(Device& device);

  absl::Status Enqueue(const MatrixProduct& product, cudaStream_t stream);

 private:
  struct Plan {
    Owned<cublasLtMatmulDesc_t> operation;
    Owned<cublasLtMatrixLayout_t> a, b, c;
    cublasLtMatmulAlgo_t algorithm;
  };
  // Rows, columns, inner, factors, transpositions, whether there is a bias, alignments.
  using Key = std::tuple<int64_t, int64_t, int64_t, Precision, bool, bool, bool, uint32_t, uint32_t,
                         uint32_t, uint32_t>;

  explicit MatrixProducts(Device& device) : device_(device) {}
  static Key KeyOf(const MatrixProduct& product);
  absl::StatusOr<Plan> MakePlan(const MatrixProduct& product);

  Device& device_;
  Owned<cublasLtHandle_t> handle_;
  Buffer workspace_;
  std::map<Key, Plan> plans_;
};

}  // namespace derin::cuda
