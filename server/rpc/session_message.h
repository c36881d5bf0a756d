#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "derin/v1/generation.pb.h"
#include "google/protobuf/duration.pb.h"
#include "server/generation/session_store.h"
#include "server/registry/loaded_version.h"

namespace derin::server {

// What a session is for its caller, as the API says it.
v1::Session ToProto(const SessionView& view);

// How well and how long a session is kept: `options` gets what a request says. INVALID_ARGUMENT
// names the field.
absl::Status ParseKeeping(v1::Durability durability, const google::protobuf::Duration* time_to_live,
                          absl::Duration longest, SessionStore::OpenOptions& options);

// Whether `version` can go on from the state. INVALID_ARGUMENT, naming `field`, for tokens that it
// does not have, or a state of another size.
absl::Status CheckFits(const SessionImage& image, const LoadedVersion& version,
                       std::string_view field);

}  // namespace derin::server
