#include "server/registry/proto_conversion.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "absl/strings/str_format.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

constexpr int kMaxLayers = 8;
constexpr int kMaxHidden = 2048;
constexpr int kMaxEmbedding = 2048;

// The API's enums are open: a newer client may send a number that has no name here.
absl::Status UnknownValue(std::string_view field, int value, std::string_view type) {
  return InvalidField(
      field, absl::StrFormat("got %d, wanted a value of %s that this server knows", value, type));
}

absl::Status CheckRange(std::string_view field, int value, int largest) {
  if (value >= 1 && value <= largest) return absl::OkStatus();
  return InvalidField(field, absl::StrFormat("got %d, wanted 1 to %d", value, largest));
}

}  // namespace

absl::StatusOr<Cell> FromProto(v1::Cell cell, std::string_view field) {
  switch (cell) {
    case v1::CELL_UNSPECIFIED:
    case v1::CELL_LSTM:
      return Cell::kLstm;
    case v1::CELL_GRU:
      return Cell::kGru;
    case v1::CELL_VANILLA_TANH:
      return Cell::kVanillaTanh;
    case v1::CELL_VANILLA_RELU:
      return Cell::kVanillaRelu;
    default:
      return UnknownValue(field, cell, "Cell");
  }
}

v1::Cell ToProto(Cell cell) {
  switch (cell) {
    case Cell::kLstm:
      return v1::CELL_LSTM;
    case Cell::kGru:
      return v1::CELL_GRU;
    case Cell::kVanillaTanh:
      return v1::CELL_VANILLA_TANH;
    case Cell::kVanillaRelu:
      return v1::CELL_VANILLA_RELU;
  }
  return v1::CELL_UNSPECIFIED;
}

absl::StatusOr<Tokenization> FromProto(v1::Tokenization tokenization, std::string_view field) {
  switch (tokenization) {
    case v1::TOKENIZATION_UNSPECIFIED:
    case v1::TOKENIZATION_CHARACTERS:
      return Tokenization::kCharacters;
    case v1::TOKENIZATION_BYTES:
      return Tokenization::kBytes;
    case v1::TOKENIZATION_WORDS:
      return Tokenization::kWords;
    default:
      return UnknownValue(field, tokenization, "Tokenization");
  }
}

v1::Tokenization ToProto(Tokenization tokenization) {
  switch (tokenization) {
    case Tokenization::kCharacters:
      return v1::TOKENIZATION_CHARACTERS;
    case Tokenization::kBytes:
      return v1::TOKENIZATION_BYTES;
    case Tokenization::kWords:
      return v1::TOKENIZATION_WORDS;
  }
  return v1::TOKENIZATION_UNSPECIFIED;
}

absl::StatusOr<Precision> FromProto(v1::Precision precision, std::string_view field) {
  switch (precision) {
    case v1::PRECISION_UNSPECIFIED:
    case v1::PRECISION_F32:
      return Precision::kF32;
    case v1::PRECISION_BF16:
      return Precision::kBf16;
    case v1::PRECISION_TF32:
      return Precision::kTf32;
    case v1::PRECISION_F16:
      return Precision::kF16;
    default:
      return UnknownValue(field, precision, "Precision");
  }
}

v1::Precision ToProto(Precision precision) {
  switch (precision) {
    case Precision::kF32:
      return v1::PRECISION_F32;
    case Precision::kBf16:
      return v1::PRECISION_BF16;
    case Precision::kTf32:
      return v1::PRECISION_TF32;
    case Precision::kF16:
      return v1::PRECISION_F16;
    case Precision::kF64:
      break;
  }
  return v1::PRECISION_UNSPECIFIED;
}

std::vector<Precision> OfferedPrecisions(const std::vector<Precision>& precisions) {
  std::vector<Precision> offered;
  std::copy_if(precisions.begin(), precisions.end(), std::back_inserter(offered),
               [](Precision one) { return ToProto(one) != v1::PRECISION_UNSPECIFIED; });
  return offered;
}

absl::StatusOr<Normalization> FromProto(v1::Normalization normalization, std::string_view field) {
  switch (normalization) {
    case v1::NORMALIZATION_UNSPECIFIED:
    case v1::NORMALIZATION_RAW:
      return Normalization::kRaw;
    case v1::NORMALIZATION_D2L_LETTERS:
      return Normalization::kD2lLetters;
    case v1::NORMALIZATION_NFC:
      return Normalization::kNfc;
    case v1::NORMALIZATION_LOWER_CASE:
      return Normalization::kLowerCase;
    case v1::NORMALIZATION_NFC_LOWER_CASE:
      return Normalization::kNfcLowerCase;
    default:
      return UnknownValue(field, normalization, "Normalization");
  }
}

v1::Normalization ToProto(Normalization normalization) {
  switch (normalization) {
    case Normalization::kRaw:
      return v1::NORMALIZATION_RAW;
    case Normalization::kD2lLetters:
      return v1::NORMALIZATION_D2L_LETTERS;
    case Normalization::kNfc:
      return v1::NORMALIZATION_NFC;
    case Normalization::kLowerCase:
      return v1::NORMALIZATION_LOWER_CASE;
    case Normalization::kNfcLowerCase:
      return v1::NORMALIZATION_NFC_LOWER_CASE;
  }
  return v1::NORMALIZATION_UNSPECIFIED;
}

absl::StatusOr<StackConfig> FromProto(const v1::ModelConfig& config, int vocabulary,
                                      std::string_view field) {
  const std::string prefix = absl::StrFormat("%s.", field);
  StackConfig stack;  // the API's defaults are its own
  const absl::StatusOr<Cell> cell = FromProto(config.cell(), prefix + "cell");
  if (!cell.ok()) return cell.status();
  stack.cell = *cell;
  const absl::StatusOr<Precision> precision = FromProto(config.precision(), prefix + "precision");
  if (!precision.ok()) return precision.status();
  stack.precision = *precision;
  if (config.has_layers()) stack.layers = config.layers();
  if (absl::Status layers = CheckRange(prefix + "layers", stack.layers, kMaxLayers); !layers.ok()) {
    return layers;
  }
  if (config.has_hidden()) stack.hidden = config.hidden();
  if (absl::Status hidden = CheckRange(prefix + "hidden", stack.hidden, kMaxHidden); !hidden.ok()) {
    return hidden;
  }
  stack.embedding = config.embedding();
  if (stack.embedding < 0 || stack.embedding > kMaxEmbedding) {
    return InvalidField(prefix + "embedding",
                        absl::StrFormat("got %d, wanted 0 to %d", stack.embedding, kMaxEmbedding));
  }
  stack.tied_head = config.tied_head();
  if (stack.tied_head && stack.embedding != stack.hidden) {
    return InvalidField(prefix + "tied_head",
                        absl::StrFormat("got true with %sembedding %d, wanted that to be the %d of "
                                        "%shidden",
                                        prefix, stack.embedding, stack.hidden, prefix));
  }
  const int most = stack.embedding > 0 ? kMostEmbeddedTokens : kMostOneHotTokens;
  if (vocabulary > most) {
    return InvalidField(
        prefix + "tokenization",
        absl::StrFormat("the text has a vocabulary of %d tokens, wanted at most %d%s; "
                        "TOKENIZATION_BYTES needs 257 for any text",
                        vocabulary, most,
                        stack.embedding > 0 ? ""
                                            : absl::StrFormat(", or %d with %sembedding",
                                                              kMostEmbeddedTokens, prefix)));
  }
  stack.vocabulary = vocabulary;
  return stack;
}

v1::ModelConfig ToProto(const StackConfig& config, Tokenization tokenization) {
  v1::ModelConfig proto;
  proto.set_cell(ToProto(config.cell));
  proto.set_layers(config.layers);
  proto.set_hidden(config.hidden);
  proto.set_tokenization(ToProto(tokenization));
  proto.set_precision(ToProto(config.precision));
  proto.set_embedding(config.embedding);
  proto.set_tied_head(config.tied_head);
  return proto;
}

}  // namespace derin::server
