#pragma once

#include "absl/status/status.h"
#include "derin/v1/generation.pb.h"
#include "server/generation/logit_adjustments.h"
#include "server/registry/loaded_version.h"

namespace derin::server {

// The tokens that `sampling` allows or bans by their text, as `version` knows them, into `rules`,
// which has those that it names by their ids. INVALID_ARGUMENT names the field with a text that is
// no token there, or that makes no sense with another field.
absl::Status AddTokensByText(const v1::SamplingSettings& sampling, const LoadedVersion& version,
                             TokenRules& rules);

}  // namespace derin::server
