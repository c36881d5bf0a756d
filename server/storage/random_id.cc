#include "server/storage/random_id.h"

#include <openssl/rand.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "model/check.h"

namespace derin::server {
namespace {

std::string RandomBytes(int count) {
  std::string bytes(count, '\0');
  // Fails only on a system without a source of randomness.
  DERIN_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), count) == 1);
  return bytes;
}

}  // namespace

uint64_t RandomBits() {
  uint64_t bits = 0;
  for (const char byte : RandomBytes(sizeof(bits))) {
    bits = bits << 8 | static_cast<unsigned char>(byte);
  }
  return bits;
}

std::string RandomHex(int bytes) { return absl::BytesToHexString(RandomBytes(bytes)); }

std::string NewTrainingJobId() {
  constexpr char kAlphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
  std::string id = "job-";
  for (const char byte : RandomBytes(12)) id += kAlphabet[static_cast<unsigned char>(byte) % 32];
  return id;
}

std::string NewServerId() {
  std::string id;
  do {
    id = RandomHex(8);
  } while (id[0] < 'a');
  return id;
}

std::string NewSessionId(std::string_view server_id) {
  return absl::StrFormat("%s-%s", server_id, RandomHex(16));
}

std::string_view ServerOfSession(std::string_view session_id) {
  const size_t dash = session_id.find('-');
  return dash == std::string_view::npos ? std::string_view() : session_id.substr(0, dash);
}

}  // namespace derin::server
