#include "model/backend/backend_module.h"

namespace derin {

std::string_view SeamVersion() { return DERIN_SEAM_VERSION; }

}  // namespace derin
