#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "derin/v1/generation.pb.h"
#include "server/generation/generation.h"
#include "server/registry/loaded_version.h"

namespace derin::server {

// What a request asks for, checked field by field, without its prompt. INVALID_ARGUMENT names the
// field and its bounds.
absl::StatusOr<GenerationRequest> ParseGenerateRequest(const v1::GenerateRequest& request,
                                                       int64_t max_prompt_bytes);

// A digest of what makes the request's text and its messages: all but where it is made, and which
// part of it is still wanted.
std::string RequestDigest(const v1::GenerateRequest& request);

// What depends on `version`: the prompt and stop strings, normalised, into `parsed`; what the
// vocabulary lacks, into `start`. INVALID_ARGUMENT names the field with a token that it lacks.
absl::Status FitToVersion(const v1::GenerateRequest& request, const LoadedVersion& version,
                          GenerationRequest& parsed, v1::GenerateStart& start);

}  // namespace derin::server
