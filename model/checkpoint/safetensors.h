#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace derin {

// A tensor of a safetensors file, row-major. Source of the format: huggingface/safetensors, README,
// "Format".
struct Tensor {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> values;  // F32, the product of `shape`
};

struct Safetensors {
  std::vector<Tensor> tensors;                  // in the order of their data
  std::map<std::string, std::string> metadata;  // `__metadata__`
};

// The bytes of a file with `tensors` in the order given. Two checksums of 8 hexadecimal digits are
// added to the metadata (FORMAT.md): `checksum` of the data section, `metadata_checksum` of the
// metadata. INVALID_ARGUMENT when a name is there twice, a shape does not fit its values, or a name
// or the metadata is not UTF-8.
absl::StatusOr<std::string> EncodeSafetensors(const Safetensors& file);

// Reads what EncodeSafetensors, PyTorch or any other writer made; F32 tensors only. The checksums,
// where there are any, stay in the metadata. DATA_LOSS for anything that is not a whole, consistent
// file, or whose checksums are there and wrong, saying what; UNIMPLEMENTED for another type of
// tensor.
absl::StatusOr<Safetensors> DecodeSafetensors(absl::Span<const char> bytes);

}  // namespace derin
