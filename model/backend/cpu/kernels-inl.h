// All kernels, for the instruction set that the including source is built for. Everything here has
// internal linkage, so that sources built for different processors never share a function.

#pragma once

#include "model/backend/cpu/activation-inl.h"
#include "model/backend/cpu/cell-inl.h"
#include "model/backend/cpu/head-inl.h"
#include "model/backend/cpu/kernels.h"
#include "model/backend/cpu/product-inl.h"

namespace derin::cpu {

namespace {

constexpr void PutCells(Kernels& kernels) {
  kernels.lstm_forward = &LstmForward;
  kernels.gru_forward = &GruForward;
  kernels.tanh_forward = &VanillaForward<&Tanh>;
  kernels.relu_forward = &VanillaForward<&Relu>;
  kernels.lstm_backward = &LstmBackward;
  kernels.gru_backward = &GruBackward;
  kernels.tanh_backward = &VanillaBackward<&TanhSlope>;
  kernels.relu_backward = &VanillaBackward<&ReluSlope>;
}

// All but the products of bfloat16.
constexpr Kernels MakeKernels() {
  Kernels kernels = {};
  kernels.product = &ProductWith<F32Factors>;
  kernels.logits = &Logits;
  PutCells(kernels);
  kernels.exponentials = &Exponentials;
  kernels.exp = &ForEach<&Exp>;
  kernels.tanh = &ForEach<&Tanh>;
  kernels.sigmoid = &ForEach<&Sigmoid>;
  return kernels;
}

}  // namespace
}  // namespace derin::cpu
