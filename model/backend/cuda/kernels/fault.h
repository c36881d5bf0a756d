#pragma once

#include <cstdint>

#include "model/host_device.h"

namespace derin::cuda {

// What a kernel found that no data should hold. It goes into one word in the host's memory, which
// the queue reads when it has waited; of several that are found the last one stays.
enum class FaultKind : uint32_t {
  kNone = 0,
  kTarget,  // not -1 and not a token of the vocabulary
  kToken,   // not a token of the vocabulary
  kStart,   // of a window that does not lie in the corpus
};

using FaultWord = uint64_t;

DERIN_HOST_DEVICE inline void RaiseFault(FaultWord* fault, FaultKind kind, int64_t value) {
  *fault = static_cast<uint64_t>(kind) << 32 | static_cast<uint32_t>(value);
}

inline FaultKind KindOfFault(FaultWord fault) { return static_cast<FaultKind>(fault >> 32); }
inline int32_t ValueOfFault(FaultWord fault) { return static_cast<int32_t>(fault); }

}  // namespace derin::cuda
