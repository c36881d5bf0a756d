#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "derin/v1/model.pb.h"
#include "model/network/language_model.h"
#include "model/text/normalization.h"
#include "model/text/tokenizer.h"

namespace derin::server {

// A published version on the device, ready to generate. Immutable and shared by all its sessions,
// but for `model`: only the generation engine's thread may step it.
struct LoadedVersion {
  v1::ModelVersion version;
  std::string engine_id;  // what computes it
  // Whether that is another engine than the version's own precision asks for.
  bool engine_changed = false;
  std::string model_sha256;  // see ModelSha256
  Tokenizer tokenizer;
  Normalization normalization = Normalization::kRaw;
  std::unique_ptr<LanguageModel> model;
};

}  // namespace derin::server
