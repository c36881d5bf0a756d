#pragma once

#include <cmath>
#include <cstdint>

#include "model/backend/cuda/kernels/block.h"

namespace derin::cuda {

// Sums without atomics, each with a tree that depends on the count alone.

// The sum of squares of each 1,024 elements, in f64.
struct SquaresOfChunks {
  static constexpr const char* kName = "SquaresOfChunks";
  static constexpr int kThreads = 256;
  static constexpr int kChunk = 1024;
  struct Shared {
    double sum[kThreads];
  };
  const float* values;  // [count]
  double* sums;         // [blocks()]
  int64_t count;

  int64_t blocks() const { return (count + kChunk - 1) / kChunk; }
  DERIN_HOST_DEVICE void operator()(const Block& block, Shared& shared) const {
    block.ForEachThread([&](int thread) {
      const int64_t first = block.index * kChunk;
      double sum = 0;
      for (int64_t i = first + thread; i < first + kChunk && i < count; i += kThreads) {
        sum = std::fma(static_cast<double>(values[i]), static_cast<double>(values[i]), sum);
      }
      shared.sum[thread] = sum;
    });
    block.SumTree(shared.sum);
    block.ForEachThread([&](int thread) {
      if (thread == 0) sums[block.index] = shared.sum[0];
    });
  }
};

// *sum = the sum of `values`.
struct SumOfDoubles {
  static constexpr const char* kName = "SumOfDoubles";
  static constexpr int kThreads = 256;
  struct Shared {
    double sum[kThreads];
  };
  const double* values;  // [count]
  double* sum;
  int64_t count;

  int64_t blocks() const { return 1; }
  DERIN_HOST_DEVICE void operator()(const Block& block, Shared& shared) const {
    block.ForEachThread([&](int thread) {
      double mine = 0;
      for (int64_t i = thread; i < count; i += kThreads) mine += values[i];
      shared.sum[thread] = mine;
    });
    block.SumTree(shared.sum);
    block.ForEachThread([&](int thread) {
      if (thread == 0) *sum = shared.sum[0];
    });
  }
};

// sums[column] = the sum of a column; `again`, where it is, gets the same.
struct ColumnSums {
  static constexpr const char* kName = "ColumnSums";
  static constexpr int kColumns = 32, kParts = 32, kThreads = kColumns * kParts;
  struct Shared {
    float sum[kParts][kColumns];
  };
  const float* values;  // [rows, columns]
  float* sums;          // [columns]
  float* again;         // [columns], or null
  int64_t rows, columns;

  DERIN_HOST_DEVICE int64_t blocks() const { return (columns + kColumns - 1) / kColumns; }
  DERIN_HOST_DEVICE void operator()(const Block& block, Shared& shared) const {
    const int64_t first = block.index * kColumns;
    block.ForEachThread([&](int thread) {
      const int64_t column = first + thread % kColumns;
      float sum = 0;
      for (int64_t row = thread / kColumns; column < columns && row < rows; row += kParts) {
        sum += values[row * columns + column];
      }
      shared.sum[thread / kColumns][thread % kColumns] = sum;
    });
    block.ForEachThread([&](int thread) {
      const int64_t column = first + thread;
      if (thread >= kColumns || column >= columns) return;
      float sum = 0;
      for (int part = 0; part < kParts; ++part) sum += shared.sum[part][thread];
      sums[column] = sum;
      if (again != nullptr) again[column] = sum;
    });
  }
};

}  // namespace derin::cuda
