#pragma once

#include "model/backend/backend.h"
#include "model/backend/cpu/turn.h"

namespace derin::cpu {

// The linear layer over the top and its loss; shapes as in model/backend/backend.h, everything f32.

void Logits(CpuQueue& queue, View top, const HeadViews& head, View logits);

void LogitsBackward(CpuQueue& queue, View top, const HeadViews& head, View d_logits, View d_top,
                    View d_weight, GradientMode mode);

// Some rows at a time, so that scratch stays within some megabytes for any vocabulary.
// INVALID_ARGUMENT fails the queue when a target is outside of [-1, V); then nothing was written.
void ProjectAndLoss(CpuQueue& queue, View top, const HeadViews& head, View targets, View loss,
                    View d_top, const HeadViews& d_head);

void Sample(CpuQueue& queue, View logits, const SampleViews& views);

// What the two take of their queue.
int64_t LossScratchBytes(int64_t rows, int64_t V);
int64_t SampleScratchBytes(int64_t V, int workers);

}  // namespace derin::cpu
