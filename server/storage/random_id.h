#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace derin::server {

// From the system's generator: not to be guessed, not to be repeated.

// For seeds that the server draws.
uint64_t RandomBits();
// `bytes` random bytes as lower-case hexadecimal digits.
std::string RandomHex(int bytes);

// `job-` and 12 characters of [a-z2-7]: 60 random bits.
std::string NewTrainingJobId();
// 16 lower-case hexadecimal digits, the first a letter, so that ids made from it pass CheckId.
std::string NewServerId();
// The server's id, `-` and 128 random bits in hexadecimal: a session is found on its own server
// only, and its name is not to be guessed.
std::string NewSessionId(std::string_view server_id);
// What stands before the `-` of such an id; empty when there is none.
std::string_view ServerOfSession(std::string_view session_id);

}  // namespace derin::server
