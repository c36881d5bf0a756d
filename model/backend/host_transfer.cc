#include "model/backend/host_transfer.h"

#include <algorithm>
#include <vector>

namespace derin {

void UploadReals(Backend& backend, Queue& queue, absl::Span<const float> from, View to) {
  DERIN_CHECK(from.size() == to.count);
  if (to.type == ElementType::kF32) return backend.Upload(queue, from.data(), to);
  const std::vector<double> wide(from.begin(), from.end());
  backend.Upload(queue, wide.data(), to);
}

absl::Status DownloadReals(Backend& backend, Queue& queue, View from, absl::Span<float> to) {
  DERIN_CHECK(from.count == to.size());
  if (from.type == ElementType::kF32) return backend.Download(queue, from, to.data());
  std::vector<double> wide(from.count);
  if (absl::Status status = backend.Download(queue, from, wide.data()); !status.ok()) return status;
  std::copy(wide.begin(), wide.end(), to.begin());
  return absl::OkStatus();
}

}  // namespace derin
