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

// What makes the request's text and its messages: all but where it is made, and which part of it is
// still wanted.
v1::GenerateRequest TextOf(const v1::GenerateRequest& request);
// A digest of that.
std::string RequestDigest(const v1::GenerateRequest& request);

// The part of a request for several texts that takes its session to the prompt's end, and one of
// those texts as a request of its own.
GenerationRequest PromptOf(GenerationRequest request);
v1::GenerateRequest ContinuationOf(const v1::GenerateRequest& request);

// A `text` that TextOf gave, to be run once more.
absl::StatusOr<GenerationRequest> ParseAgain(const v1::GenerateRequest& text,
                                             const LoadedVersion& version,
                                             int64_t max_prompt_bytes);

// What depends on `version`: the prompt and stop strings, normalised, into `parsed`; what the
// vocabulary lacks, into `start`. INVALID_ARGUMENT names the field with a token that it lacks.
absl::Status FitToVersion(const v1::GenerateRequest& request, const LoadedVersion& version,
                          GenerationRequest& parsed, v1::GenerateStart& start);

}  // namespace derin::server
