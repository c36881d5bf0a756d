#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/backend/stack_config.h"
#include "model/network/parameters.h"
#include "model/text/normalization.h"
#include "model/text/tokenizer.h"

namespace derin {

// All that is needed to use a trained model: one safetensors file. FORMAT.md beside this file gives
// its bytes.
struct ModelFile {
  StackConfig config;
  Tokenizer tokenizer;
  Normalization normalization = Normalization::kRaw;
  Parameters parameters;
};

absl::StatusOr<std::string> EncodeModelFile(const ModelFile& model);

// DATA_LOSS when the file is damaged or contradicts itself, UNIMPLEMENTED when its format version
// is a newer one; each says what was got and what was wanted.
absl::StatusOr<ModelFile> DecodeModelFile(absl::Span<const char> bytes);

}  // namespace derin
