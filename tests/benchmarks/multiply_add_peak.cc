#include "tests/benchmarks/multiply_add_peak.h"

#include <immintrin.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "model/backend/cpu/instruction_set.h"

namespace derin {
namespace {

constexpr int64_t kRounds = 400'000;
constexpr int kAccumulators =
    12;  // enough for four cycles of latency and two units, few enough for AVX2's registers

// Each returns the FLOP that it did. The empty asm keeps the compiler from knowing the sums.
__attribute__((target("avx2,fma"))) double MultiplyAvx2() {
  __m256 sum[kAccumulators] = {};
  __m256 a = _mm256_set1_ps(0.5f);
  for (int64_t round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (auto& one : sum) {
      one = _mm256_fmadd_ps(a, a, one);
      asm volatile("" : "+x"(one));
    }
  }
  return 2.0 * 8 * kAccumulators * kRounds;
}

__attribute__((target("avx512f"))) double MultiplyAvx512() {
  __m512 sum[kAccumulators] = {};
  __m512 a = _mm512_set1_ps(0.5f);
  for (int64_t round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (auto& one : sum) {
      one = _mm512_fmadd_ps(a, a, one);
      asm volatile("" : "+v"(one));
    }
  }
  return 2.0 * 16 * kAccumulators * kRounds;
}

__attribute__((target("avx512f,avx512bf16"))) double MultiplyBf16() {
  __m512 sum[kAccumulators] = {};
  __m512bh a = (__m512bh)_mm512_set1_epi32(0x3f003f00);
  for (int64_t round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (auto& one : sum) {
      one = _mm512_dpbf16_ps(one, a, a);
      asm volatile("" : "+v"(one));
    }
  }
  return 2.0 * 32 * kAccumulators * kRounds;
}

// Four sums, as many as hide how long one product of tiles takes.
double MultiplyTiles() {
  struct alignas(64) {
    uint8_t palette = 1, reserved[15] = {};
    uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16};
  } shapes;
  asm volatile("ldtilecfg %0" ::"m"(shapes));
  for (int64_t round = 0; round < kRounds; ++round) {
    asm volatile(
        "tdpbf16ps %tmm5, %tmm4, %tmm0\n\ttdpbf16ps %tmm5, %tmm4, %tmm1\n\t"
        "tdpbf16ps %tmm5, %tmm4, %tmm2\n\ttdpbf16ps %tmm5, %tmm4, %tmm3");
  }
  asm volatile("tilerelease");
  return 2.0 * 16 * 16 * 32 * 4 * kRounds;
}

}  // namespace

double MultiplyAddPeak(Precision precision, int threads) {
  using cpu::InstructionSet;
  const InstructionSet set = cpu::SupportedInstructionSets().back();
  const auto multiply = set == InstructionSet::kAvx2      ? &MultiplyAvx2
                        : precision != Precision::kBf16   ? &MultiplyAvx512
                        : set == InstructionSet::kAmxBf16 ? &MultiplyTiles
                                                          : &MultiplyBf16;
  std::atomic<int> ready = 0;
  std::vector<double> rates(threads);
  const auto measure = [&](int thread) {
    multiply();  // the clock rises
    for (++ready; ready < threads;) _mm_pause();
    double best = 0;
    for (int i = 0; i < 12; ++i) {
      const auto start = std::chrono::steady_clock::now();
      const double flop = multiply();
      const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
      best = std::max(best, flop / time.count());
    }
    rates[thread] = best;
  };
  std::vector<std::thread> others;
  for (int thread = 1; thread < threads; ++thread) others.emplace_back(measure, thread);
  measure(0);
  for (std::thread& other : others) other.join();
  return std::accumulate(rates.begin(), rates.end(), 0.0);
}

}  // namespace derin
