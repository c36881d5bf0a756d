#pragma once

#include <cstdint>

#include "model/backend/backend.h"

namespace derin::reference {

// The operations around the stack, for Real = float and double; shapes as in
// model/backend/backend.h.

template <typename Real>
void Logits(View top, const HeadViews& head, View logits);

template <typename Real>
void LogitsBackward(View top, const HeadViews& head, View d_logits, View d_top, View d_weight,
                    GradientMode mode);

// INVALID_ARGUMENT when a target is outside of [-1, V); then nothing was written.
template <typename Real>
absl::Status ProjectAndLoss(View top, const HeadViews& head, View targets, View loss, View d_top,
                            const HeadViews& d_head);

template <typename Real>
void Update(const OptimizerConfig& config, const UpdateViews& views);

template <typename Real>
double SquaredNorm(View gradients);

}  // namespace derin::reference
