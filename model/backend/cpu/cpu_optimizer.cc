#include "model/backend/cpu/cpu_optimizer.h"

#include <algorithm>

#include "hwy/highway.h"

namespace derin::cpu {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kChunk = 1024;
// Of a task; enough that sharing out costs little.
constexpr int64_t kTaskElements = 16 * kChunk;

double SquaresOfChunk(const float* x, int64_t count) {
  const hn::FixedTag<double, 4> d;
  const hn::FixedTag<float, 4> f;
  auto low = hn::Zero(d), high = hn::Zero(d);
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const auto a = hn::PromoteTo(d, hn::LoadU(f, x + i)),
               b = hn::PromoteTo(d, hn::LoadU(f, x + i + 4));
    low = hn::MulAdd(a, a, low);
    high = hn::MulAdd(b, b, high);
  }
  double sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(low, high)));
  for (; i < count; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum;
}

}  // namespace

void SquaredNorm(CpuQueue& queue, View gradients, View squared_norm) {
  const auto count = static_cast<int64_t>(gradients.count);
  const int64_t chunks = (count + kChunk - 1) / kChunk;
  auto* sums = static_cast<double*>(queue.Scratch(chunks * sizeof(double)));
  if (sums == nullptr) return;
  constexpr int64_t kTaskChunks = kTaskElements / kChunk;
  Turn(queue).ForEach((chunks + kTaskChunks - 1) / kTaskChunks, kFlopsOfStreamed * kTaskElements,
                      [&](int64_t task, int) {
                        for (int64_t chunk = task * kTaskChunks;
                             chunk < std::min(chunks, (task + 1) * kTaskChunks); ++chunk) {
                          const int64_t first = chunk * kChunk;
                          sums[chunk] = SquaresOfChunk(gradients.As<float>() + first,
                                                       std::min(kChunk, count - first));
                        }
                      });
  double sum = 0;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += sums[chunk];
  *squared_norm.As<double>() = sum;
}

void Update(CpuQueue& queue, const OptimizerConfig& config, const UpdateViews& views) {
  const int64_t step = ++*views.step.As<int64_t>();
  const auto factors = MakeUpdateFactors<float>(config, *views.learning_rate.As<double>(),
                                                *views.squared_norm.As<double>(), step);
  const auto count = static_cast<int64_t>(views.parameters.count);
  float* weight = views.parameters.As<float>();
  const float* gradient = views.gradients.As<float>();
  const int moments = MomentCount(config.kind);
  float* moment1 = moments > 0 ? views.moment1.As<float>() : nullptr;
  float* moment2 = moments > 1 ? views.moment2.As<float>() : nullptr;
  Turn(queue).ForEach(
      (count + kTaskElements - 1) / kTaskElements,
      (3 + 2 * moments) * kFlopsOfStreamed * kTaskElements, [&](int64_t task, int) {
        // A loop for each kind, so that each is vector code.
        const int64_t begin = task * kTaskElements, end = std::min(count, begin + kTaskElements);
        switch (config.kind) {
          case OptimizerKind::kSgd:
            for (int64_t i = begin; i < end; ++i) {
              weight[i] = SgdUpdate(weight[i], gradient[i], factors);
            }
            break;
          case OptimizerKind::kMomentum:
            for (int64_t i = begin; i < end; ++i) {
              weight[i] = MomentumUpdate(weight[i], gradient[i], moment1[i], factors);
            }
            break;
          case OptimizerKind::kAdam:
            for (int64_t i = begin; i < end; ++i) {
              weight[i] = AdamUpdate(weight[i], gradient[i], moment1[i], moment2[i], factors);
            }
            break;
        }
      });
}

}  // namespace derin::cpu
