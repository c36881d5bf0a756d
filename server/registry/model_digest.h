#pragma once

#include <string>

#include "model/checkpoint/model_file.h"

namespace derin::server {

// SHA-256, in hexadecimal, of what makes a model's text: its cell and sizes, its tensors in f32 in
// their canonical order, its tokens and its normalisation. The same for the same model in any file.
std::string ModelSha256(const ModelFile& model);

}  // namespace derin::server
