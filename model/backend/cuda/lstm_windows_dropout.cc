// Dropout between the layers of LstmWindows.

#include "model/backend/cuda/branch.h"
#include "model/backend/cuda/element.h"
#include "model/backend/cuda/lstm_windows.h"

namespace derin::cuda {

const void* LstmWindows::BelowFactor(int layer, int64_t step) const {
  if (dropout_.empty()) return HFactor(layer - 1, 1 + step);
  const int64_t window = int64_t{steps_} * batch_, row = (layer - 1) * window + step * batch_;
  return static_cast<const std::byte*>(below_.view().data) +
         row * config_.hidden * ElementBytes(factors_);
}

template <class Lane, class Number>
void LstmWindows::LaunchDrop(Lane& lane, const float* read, Number* written, int layer,
                             int64_t from, int64_t to) const {
  const int64_t H = config_.hidden, B = batch_;
  lane.Launch(Drop<float, Number>{.from = read,
                                  .to = written,
                                  .random = dropout_.As<int64_t>(),
                                  .share = extent_.dropout,
                                  .layer = layer - 1,
                                  .first_row = from * B,
                                  .last_row = to * B,
                                  .hidden = H,
                                  .from_columns = H,
                                  .to_columns = H});
}

template <class Lane>
void LstmWindows::DropBelow(Lane& lane, int layer, int64_t from, int64_t to) const {
  if (dropout_.empty()) return;
  const int64_t of_layer = static_cast<int64_t>(h_.view().count) / config_.layers;
  const float* below =
      h_.view().As<float>() + (layer - 1) * of_layer + int64_t{batch_} * config_.hidden;
  WithElement(factors_, [&](auto number) {
    using Number = decltype(number);
    auto* factors = static_cast<Number*>(const_cast<void*>(BelowFactor(layer, 0)));
    LaunchDrop(lane, below, factors, layer, from, to);
  });
}

template <class Lane>
void LstmWindows::DropGradient(Lane& lane, int layer, int64_t from, int64_t to) const {
  if (dropout_.empty()) return;
  auto* d_h = d_h_.view().As<float>();
  LaunchDrop(lane, d_h, d_h, layer, from, to);
}

template void LstmWindows::DropBelow(CudaQueue&, int, int64_t, int64_t) const;
template void LstmWindows::DropBelow(Branch&, int, int64_t, int64_t) const;
template void LstmWindows::DropGradient(CudaQueue&, int, int64_t, int64_t) const;
template void LstmWindows::DropGradient(Branch&, int, int64_t, int64_t) const;

}  // namespace derin::cuda
