#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "derin/v1/generation.pb.h"
#include "server/generation/session_state.h"

namespace derin::server {

using SessionKey = std::pair<std::string, std::string>;  // owner and name

// A session between two calls, in full: what is kept of it off the device. FORMAT.md beside this
// file says how it is written.
struct SessionImage {
  std::string name;   // `sessions/ID`
  std::string owner;  // the caller that opened it
  std::string model_version;
  std::string engine_id;  // of what computed it
  absl::Time create_time, idle_since;
  v1::Durability durability = v1::DURABILITY_PROCESS;
  absl::Duration time_to_live;
  int64_t sequence = 0;  // from 1, greater in each later image of the session
  SessionState state;
  std::optional<LastCall> last;
  std::vector<float> hidden;  // [L, S, H]; empty at position 0

  SessionKey key() const { return {owner, name}; }
  absl::Time expire_time() const { return idle_since + time_to_live; }
  // Whether it outlives the server's process.
  bool lasting() const { return durability != v1::DURABILITY_NONE; }
};

// What a start reads of a stored image.
struct SessionHeader {
  std::string name, owner;
  int64_t sequence = 0, position = 0;
  std::vector<int64_t> remembered;  // sequences of older images that are still needed, ascending
  absl::Time expire_time;
  bool lasting = true;
  std::string model_version;  // empty where only the body says
};

std::string EncodeHeader(const SessionImage& image, std::vector<int64_t> remembered);
// DATA_LOSS when that is no header.
absl::StatusOr<SessionHeader> DecodeHeader(std::string_view bytes);

// All but what the header has.
std::string EncodeBody(const SessionImage& image);
// DATA_LOSS, saying what is wrong, when the bytes are no image: checksums were right, so a newer
// server wrote it. Name, owner and sequence are the header's.
absl::StatusOr<SessionImage> DecodeBody(const SessionHeader& header, std::string_view bytes);

// What the message of an export holds.
struct ImportedSession {
  std::string model_sha256;  // of tensors, vocabulary and normalisation
  SessionImage image;        // without name, owner, sequence and last call
};
std::string EncodeExport(const SessionImage& image, std::string_view model_sha256);
// INVALID_ARGUMENT, naming `field`, when it is damaged, cut, of another format, or makes no sense.
absl::StatusOr<ImportedSession> DecodeExport(std::string_view bytes, std::string_view field);

}  // namespace derin::server
