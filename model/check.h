#pragma once

#include <cstdio>
#include <cstdlib>

// Ends the process when a programmer's promise is broken; never for anything that a user, a file or
// a client can cause.
#define DERIN_CHECK(condition)                                                             \
  do {                                                                                     \
    if (!(condition)) [[unlikely]] {                                                       \
      std::fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                        \
    }                                                                                      \
  } while (false)
