#pragma once

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "model/backend/backend.h"

namespace derin {

// Between f32 on the host and a view of f32 or f64 with as many elements.
void UploadReals(Backend& backend, Queue& queue, absl::Span<const float> from, View to);
absl::Status DownloadReals(Backend& backend, Queue& queue, View from, absl::Span<float> to);

}  // namespace derin
