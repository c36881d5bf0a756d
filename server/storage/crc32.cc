#include "server/storage/crc32.h"

#include <zlib.h>

namespace derin::server {

uint32_t Crc32(std::string_view bytes) {
  // zlib takes a null address for a wish to start anew, which gives the same: 0.
  return static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace derin::server
