#pragma once

#include <memory>

#include "model/backend/backend.h"

namespace derin::reference {

// The oracle: every operation written to be read, with Eigen, in f32 and f64, on its caller's
// thread. Equal bits are promised on one processor model only, since Eigen chooses its blocking by
// the sizes of the caches.
std::unique_ptr<Backend> NewReferenceBackend();

}  // namespace derin::reference
