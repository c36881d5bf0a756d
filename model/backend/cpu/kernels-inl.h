// All kernels, for the instruction set that the including source is built for. Everything here has
// internal linkage, so that sources built for different processors never share a function.

#pragma once

#include "model/backend/cpu/activation-inl.h"
#include "model/backend/cpu/cell-inl.h"
#include "model/backend/cpu/head-inl.h"
#include "model/backend/cpu/kernels.h"
#include "model/backend/cpu/product-inl.h"

namespace derin::cpu {

const Kernels& Avx2Kernels();
const Kernels& Avx512Kernels();
const Kernels& Avx512Bf16Kernels();

namespace {

constexpr Kernels MakeKernels() {
  return {.product = &ProductWith<F32Factors>,
          .product_bf16 = nullptr,
          .logits = &Logits,
          .lstm_forward = &LstmForward,
          .gru_forward = &GruForward,
          .tanh_forward = &VanillaForward<&Tanh>,
          .relu_forward = &VanillaForward<&Relu>,
          .lstm_backward = &LstmBackward,
          .gru_backward = &GruBackward,
          .tanh_backward = &VanillaBackward<&TanhSlope>,
          .relu_backward = &VanillaBackward<&ReluSlope>,
          .exponentials = &Exponentials,
          .exp = &ForEach<&Exp>,
          .tanh = &ForEach<&Tanh>,
          .sigmoid = &ForEach<&Sigmoid>};
}

}  // namespace
}  // namespace derin::cpu
