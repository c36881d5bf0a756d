#pragma once

#include <immintrin.h>

namespace derin::cpu {

// Sets the processor to flush denormals, for the calling thread: they take a hundred times longer
// and mean nothing here. Whatever computes does so with it, or its bits would depend on who does.
class FlushDenormals {
 public:
  FlushDenormals() : before_(_mm_getcsr()) {
    _mm_setcsr(before_ | kFlushToZero | kDenormalsAreZero);
  }
  ~FlushDenormals() { _mm_setcsr(before_); }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  static constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;
  const unsigned before_;
};

}  // namespace derin::cpu
