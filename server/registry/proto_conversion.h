#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "derin/v1/corpus.pb.h"
#include "derin/v1/model.pb.h"
#include "model/backend/capabilities.h"
#include "model/backend/stack_config.h"
#include "model/text/normalization.h"
#include "model/text/tokenizer.h"

namespace derin::server {

// Between the API's values and the model's. From the API, UNSPECIFIED and unset are the documented
// default, and what is unknown or out of range is INVALID_ARGUMENT naming `field`, the path of the
// value in its request.

absl::StatusOr<Cell> FromProto(v1::Cell cell, std::string_view field);
absl::StatusOr<Tokenization> FromProto(v1::Tokenization tokenization, std::string_view field);
absl::StatusOr<Precision> FromProto(v1::Precision precision, std::string_view field);
absl::StatusOr<Normalization> FromProto(v1::Normalization normalization, std::string_view field);

v1::Cell ToProto(Cell cell);
v1::Tokenization ToProto(Tokenization tokenization);
// Unspecified for f64, which is there to check the others by and has no name in the API.
v1::Precision ToProto(Precision precision);
v1::Normalization ToProto(Normalization normalization);

// Those of `precisions` that the API has a name for.
std::vector<Precision> OfferedPrecisions(const std::vector<Precision>& precisions);

// The network for a text with `vocabulary` tokens. A vocabulary that is too large
// is refused as the fault of `field`.tokenization.
absl::StatusOr<StackConfig> FromProto(const v1::ModelConfig& config, int vocabulary,
                                      std::string_view field);
// Nothing is left unset, unless the precision is f64.
v1::ModelConfig ToProto(const StackConfig& config, Tokenization tokenization);

}  // namespace derin::server
