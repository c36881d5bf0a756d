#pragma once

// Marks arithmetic that CPU and GPU share: the same source, the same bits.
#ifdef __CUDACC__
#define DERIN_HOST_DEVICE __host__ __device__
#else
#define DERIN_HOST_DEVICE
#endif
