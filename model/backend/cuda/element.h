#pragma once

#include <cstdint>

#include "model/backend/cuda/kernels/half.h"
#include "model/backend/stack_config.h"
#include "model/check.h"

namespace derin::cuda {

// body(element), of the type that the factors of a precision's products have; the only place that
// knows. TF32 is f32 that the products themselves round.
template <class Body>
auto WithElement(Precision precision, const Body& body) {
  switch (precision) {
    case Precision::kF32:
    case Precision::kTf32:
      return body(0.0f);
    case Precision::kF16:
      return body(F16{});
    case Precision::kBf16:
      return body(Bf16{});
    default:
      DERIN_CHECK(false);
  }
}

// Of it.
inline int64_t ElementBytes(Precision precision) {
  return WithElement(precision, [](auto element) { return static_cast<int64_t>(sizeof element); });
}

}  // namespace derin::cuda
