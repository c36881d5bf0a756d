#include "model/backend/cpu/cpu_optimizer.h"

#include <vector>

#include "model/backend/backend_list.h"
#include "model/backend/cpu/cpu_backend.h"
#include "tests/model/backend/cpu/random_values.h"

namespace derin::cpu {
namespace {

// On both sides of whole registers, chunks and tasks.
constexpr int kCounts[] = {1, 7, 8, 9, 1023, 1024, 1025, 16384, 16385, 70'001};

std::unique_ptr<Backend> CpuBackend(int threads) { return NewCpuBackend({.threads = threads}); }

double SquaredNormOf(Backend& backend, const std::vector<float>& values) {
  auto queue = *backend.NewQueue(QueuePriority::kTraining);
  Buffer gradients = *backend.Allocate(ElementType::kF32, values.size()),
         norm = *backend.Allocate(ElementType::kF64, 1);
  const double poison = std::numeric_limits<double>::quiet_NaN();
  backend.Upload(*queue, &poison, norm.view());
  backend.Upload(*queue, values.data(), gradients.view());
  backend.SquaredNorm(*queue, gradients.view(), norm.view());
  double result = 0;
  EXPECT_TRUE(backend.Download(*queue, norm.view(), &result).ok());
  return result;
}

TEST(CpuSquaredNorm, IsTheReferencesAndTheSameForAnyNumberOfThreads) {
  auto reference = *NewBackend("reference");
  std::mt19937 random(1);
  for (const int count : kCounts) {
    const std::vector<float> values = RandomFloats(count, random);
    const double one = SquaredNormOf(*CpuBackend(1), values);
    EXPECT_NEAR(one / SquaredNormOf(*reference, values), 1, 1e-12) << count;
    for (const int threads : {2, 3}) {
      EXPECT_EQ(SquaredNormOf(*CpuBackend(threads), values), one) << count;
    }
  }
}

TEST(CpuSquaredNorm, OfInfinityAndNanIsThat) {
  std::vector<float> values(3000, 1);
  values[2500] = HUGE_VALF;
  EXPECT_EQ(SquaredNormOf(*CpuBackend(2), values), HUGE_VAL);
  values[7] = kNan;
  EXPECT_TRUE(std::isnan(SquaredNormOf(*CpuBackend(2), values)));
}

struct Optimized {
  std::vector<float> parameters, moment1, moment2;
  int64_t step;
};

// Three updates, with the same numbers on every backend.
Optimized Optimize(Backend& backend, const OptimizerConfig& config, int count) {
  auto queue = *backend.NewQueue(QueuePriority::kTraining);
  std::mt19937 random(count);
  const auto buffer = [&](const std::vector<float>& values) {
    Buffer result = *backend.Allocate(ElementType::kF32, values.size());
    backend.Upload(*queue, values.data(), result.view());
    return result;
  };
  Buffer parameters = buffer(RandomFloats(count, random)),
         gradients = buffer(RandomFloats(count, random)), moment1, moment2;
  const std::vector<float> zeros(count, 0);
  if (MomentCount(config.kind) > 0) moment1 = buffer(zeros);
  if (MomentCount(config.kind) > 1) moment2 = buffer(zeros);
  Buffer rate = *backend.Allocate(ElementType::kF64, 1),
         norm = *backend.Allocate(ElementType::kF64, 1),
         step = *backend.Allocate(ElementType::kI64, 1);
  for (const double learning_rate : {0.7, 0.3, 0.1}) {
    const std::vector<float> next = RandomFloats(count, random);
    backend.Upload(*queue, next.data(), gradients.view());
    backend.Upload(*queue, &learning_rate, rate.view());
    const double squared_norm = count / 3.0;
    backend.Upload(*queue, &squared_norm, norm.view());
    backend.Update(*queue, config,
                   {parameters.view(), gradients.view(), moment1.view(), moment2.view(),
                    rate.view(), norm.view(), step.view()});
  }
  const auto values = [&](const Buffer& of) {
    std::vector<float> result(of.view().count);
    EXPECT_TRUE(backend.Download(*queue, of.view(), result.data()).ok());
    return result;
  };
  Optimized result{values(parameters), values(moment1), values(moment2), 0};
  EXPECT_TRUE(backend.Download(*queue, step.view(), &result.step).ok());
  return result;
}

// Element by element there is only one way to compute, so the reference's f32 has the same bits.
TEST(CpuUpdate, HasTheReferencesBitsForEveryOptimizerAndAnyNumberOfThreads) {
  auto reference = *NewBackend("reference");
  for (const OptimizerKind kind :
       {OptimizerKind::kSgd, OptimizerKind::kMomentum, OptimizerKind::kAdam}) {
    for (const double clip : {0.5, 1e9}) {
      for (const int count : kCounts) {
        const OptimizerConfig config{
            .kind = kind, .clip = clip, .momentum = 0.75, .weight_decay = 0.25};
        const Optimized wanted = Optimize(*reference, config, count);
        for (const int threads : {1, 2, 3}) {
          SCOPED_TRACE(testing::Message() << "optimizer " << static_cast<int>(kind) << ", " << count
                                          << " elements, " << threads << " threads");
          const Optimized got = Optimize(*CpuBackend(threads), config, count);
          EXPECT_THAT(got.parameters, HasTheBitsOf(wanted.parameters));
          EXPECT_THAT(got.moment1, HasTheBitsOf(wanted.moment1));
          EXPECT_THAT(got.moment2, HasTheBitsOf(wanted.moment2));
          EXPECT_EQ(got.step, 3);
        }
      }
    }
  }
}

}  // namespace
}  // namespace derin::cpu
