#pragma once

#include <cstdint>

#include "model/backend/cuda/kernels/activation.h"
#include "model/backend/cuda/kernels/block.h"
#include "model/backend/cuda/kernels/fault.h"

namespace derin::cuda {

// How many of `targets` are not -1, into *counted. One that is neither -1 nor a token is a fault
// and is not counted.
struct CountTargets {
  static constexpr const char* kName = "CountTargets";
  static constexpr int kThreads = 256;
  struct Shared {
    int64_t counted[kThreads];
  };
  const int32_t* targets;  // [rows]
  double* counted;
  FaultWord* fault;
  int64_t rows, vocabulary;

  int64_t blocks() const { return 1; }
  DERIN_HOST_DEVICE void operator()(const Block& block, Shared& shared) const {
    block.ForEachThread([&](int thread) {
      int64_t mine = 0;
      for (int64_t row = thread; row < rows; row += kThreads) {
        const int32_t target = targets[row];
        if (target < -1 || target >= vocabulary) RaiseFault(fault, FaultKind::kTarget, target);
        mine += target >= 0 && target < vocabulary;
      }
      shared.counted[thread] = mine;
    });
    block.SumTree(shared.counted);
    block.ForEachThread([&](int thread) {
      if (thread == 0) *counted = static_cast<double>(shared.counted[0]);
    });
  }
};

// A row's cross-entropy in nats into losses[row], and in place of its logits d(mean
// loss)/d(logits). A row that CountTargets does not count has neither. Source: the log-sum-exp
// form.
struct SoftmaxCrossEntropy {
  static constexpr const char* kName = "SoftmaxCrossEntropy";
  static constexpr int kThreads = 128;
  struct Shared {
    float highest[kThreads];
    double sum[kThreads];
    float of_target;
  };
  float* logits;           // [rows, vocabulary]
  const int32_t* targets;  // [rows]
  const double* counted;   // of CountTargets
  double* losses;          // [rows]
  int64_t rows, vocabulary;

  int64_t blocks() const { return rows; }
  DERIN_HOST_DEVICE void operator()(const Block& block, Shared& shared) const {
    float* row = logits + block.index * vocabulary;
    const int32_t target = targets[block.index];
    if (target < 0 || target >= vocabulary) {
      block.ForEachThread([&](int thread) {
        for (int64_t v = thread; v < vocabulary; v += kThreads) row[v] = 0;
        if (thread == 0) losses[block.index] = 0;
      });
      return;
    }
    block.ForEachThread([&](int thread) {
      float highest = row[thread < vocabulary ? thread : 0];
      for (int64_t v = thread; v < vocabulary; v += kThreads) {
        highest = row[v] > highest ? row[v] : highest;
      }
      shared.highest[thread] = highest;
      if (thread == 0) shared.of_target = row[target];
    });
    for (int half = kThreads / 2; half > 0; half /= 2) {
      block.ForEachThread([&](int thread) {
        if (thread >= half) return;
        const float other = shared.highest[thread + half];
        shared.highest[thread] = other > shared.highest[thread] ? other : shared.highest[thread];
      });
    }
    block.ForEachThread([&](int thread) {
      double sum = 0;
      for (int64_t v = thread; v < vocabulary; v += kThreads) {
        row[v] = ClampedExp(row[v] - shared.highest[0]);
        sum += row[v];
      }
      shared.sum[thread] = sum;
    });
    block.SumTree(shared.sum);
    block.ForEachThread([&](int thread) {
      const auto scale = static_cast<float>(1 / (shared.sum[0] * *counted));
      for (int64_t v = thread; v < vocabulary; v += kThreads) {
        row[v] *= scale;
        if (v == target) row[v] -= static_cast<float>(1 / *counted);
      }
      if (thread == 0) {
        losses[block.index] = Log(shared.sum[0]) - (static_cast<double>(shared.of_target) -
                                                    static_cast<double>(shared.highest[0]));
      }
    });
  }
};

}  // namespace derin::cuda
