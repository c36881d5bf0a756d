#pragma once

#include <cstdint>

#include "model/backend/cpu/gate_panels.h"

namespace derin::cpu {

// Rewrites PyTorch's tensors as panels that products read from front to back, one panel for each
// call. `weight` is [G*H, in] with rows as GatePanels::RowsOf says. A word is an f32 or, where
// `bf16`, two bfloat16 that are neighbours along k. What is beyond the tensor is 0.

// For x W^T: word k of each column of the range, [k words, columns]; k runs over the inputs, padded
// to a multiple of 16.
void PackForward(const GatePanels& panels, int panel, GatePanels::Range range, const float* weight,
                 int inputs, bool bf16, void* packed);

// For d W: word k of `columns` inputs from `first` on, [k words, columns]; k runs over the gates'
// columns in the order of the panels. `recurrent` says which of the two products' ranges.
void PackBackward(const GatePanels& panels, bool recurrent, const float* weight, int inputs,
                  int first, int columns, bool bf16, void* packed);

// For one-hot input: what each token's sums start from, [V, 64] = bias [64] + the token's column of
// `weight` [G*H, V].
void PackTokens(const GatePanels& panels, int panel, const float* weight, int vocabulary,
                const float* bias, float* by_token);
// And back: the input's columns of `by_token` [V, 64] to `weight` [G*H, V].
void UnpackByToken(const GatePanels& panels, int panel, const float* by_token, int vocabulary,
                   float* weight);

}  // namespace derin::cpu
