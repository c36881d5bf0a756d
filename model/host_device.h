#pragma once

// Marks arithmetic that CPU and GPU share: the same source, the same bits.
#ifdef __CUDACC__
#define DERIN_HOST_DEVICE __host__ __device__
#else
#define DERIN_HOST_DEVICE
#endif

// Before a loop in a kernel: unrolled whole, so that what it indexes can live in registers; or not.
#ifdef __CUDA_ARCH__
#define DERIN_UNROLLED _Pragma("unroll")
#define DERIN_NOT_UNROLLED _Pragma("unroll 1")
#else
#define DERIN_UNROLLED
#define DERIN_NOT_UNROLLED
#endif
