#pragma once

#include <cstdint>
#include <string_view>

namespace derin::server {

// The CRC-32 of zlib, PNG and Ethernet (ISO 3309): finds damage, and is no proof against intent.
uint32_t Crc32(std::string_view bytes);

}  // namespace derin::server
