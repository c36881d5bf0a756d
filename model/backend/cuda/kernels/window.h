#pragma once

#include <cstdint>

#include "model/backend/cuda/kernels/fault.h"
#include "model/backend/cuda/kernels/half.h"
#include "model/host_device.h"

namespace derin::cuda {

// tokens[t, b] = corpus[starts[b] + t], targets[t, b] = corpus[starts[b] + t + 1]. A window that
// does not lie in the corpus is a fault, and its targets are -1.
struct GatherWindow {
  static constexpr const char* kName = "GatherWindow";
  const int32_t* corpus;  // [corpus_count]
  const int64_t* starts;  // [batch]
  int32_t* tokens;        // [steps, batch]
  int32_t* targets;       // [steps, batch]
  FaultWord* fault;
  int64_t corpus_count, steps, batch;

  DERIN_HOST_DEVICE int64_t items() const { return steps * batch; }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    const int64_t start = starts[item % batch], at = start + item / batch;
    if (start < 0 || start + steps >= corpus_count) {
      RaiseFault(fault, FaultKind::kStart, start);
      tokens[item] = 0;
      targets[item] = -1;
      return;
    }
    tokens[item] = corpus[at];
    targets[item] = corpus[at + 1];
  }
};

// x[row] is one in column tokens[row] and zero elsewhere: cuDNN wants its input dense. It may have
// more columns than there are tokens.
template <class Number>
struct OneHot {
  static constexpr const char* kName = "OneHot";
  const int32_t* tokens;  // [rows]
  Number* x;              // [rows, columns]
  FaultWord* fault;
  int64_t rows, vocabulary, columns;

  DERIN_HOST_DEVICE int64_t items() const { return rows * columns; }
  DERIN_HOST_DEVICE void operator()(int64_t item) const {
    const int32_t token = tokens[item / columns];
    const int64_t column = item % columns;
    if (column == 0 && (token < 0 || token >= vocabulary)) {
      RaiseFault(fault, FaultKind::kToken, token);
    }
    x[item] = RoundTo<Number>(token == column ? 1.0f : 0.0f);
  }
};

}  // namespace derin::cuda
