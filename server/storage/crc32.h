#pragma once

#include <cstdint>
#include <string_view>

namespace derin::server {

// The CRC-32 of zlib, PNG and Ethernet (ISO 3309): finds damage, and is no proof against intent.
// `before` is that of what stands before `bytes`.
uint32_t Crc32(std::string_view bytes, uint32_t before = 0);

}  // namespace derin::server
