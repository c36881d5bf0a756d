#include "server/storage/crc32.h"

#include <zlib.h>

namespace derin::server {

uint32_t Crc32(std::string_view bytes, uint32_t before) {
  // zlib takes a null address for a wish to start anew.
  if (bytes.empty()) return before;
  return static_cast<uint32_t>(
      crc32_z(before, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace derin::server
