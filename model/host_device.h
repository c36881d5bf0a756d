#pragma once

// Marks arithmetic that CPU and GPU share: the same source, the same bits.
#ifdef __CUDACC__
#define DERIN_HOST_DEVICE __host__ __device__
#else
#define DERIN_HOST_DEVICE
#endif

// Before a loop in a kernel: unrolled whole, so that what it indexes can live in registers; so many
// times, so that its reads overlap; or not.
#ifdef __CUDA_ARCH__
#define DERIN_PRAGMA(text) _Pragma(#text)
#define DERIN_UNROLLED DERIN_PRAGMA(unroll)
#define DERIN_UNROLLED_BY(times) DERIN_PRAGMA(unroll times)
#define DERIN_NOT_UNROLLED DERIN_PRAGMA(unroll 1)
#else
#define DERIN_UNROLLED
#define DERIN_UNROLLED_BY(times)
#define DERIN_NOT_UNROLLED
#endif
