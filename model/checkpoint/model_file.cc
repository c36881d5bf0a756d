#include "model/checkpoint/model_file.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "model/checkpoint/file_metadata.h"
#include "model/checkpoint/safetensors.h"
#include "model/checkpoint/strict_json.h"
#include "model/text/quoted.h"
#include "model/text/utf8.h"

namespace derin {
namespace {

using nlohmann::json;

// The newest format that this program reads.
constexpr int kFormat = 6;
constexpr char kKind[] = "model file";
constexpr char kConfigKey[] = "derin.config";
constexpr char kTokenizationKey[] = "derin.tokenization";
constexpr char kVocabularyKey[] = "derin.vocabulary";
constexpr char kNormalizationKey[] = "derin.normalization";

template <typename... Args>
absl::Status Damaged(const absl::FormatSpec<Args...>& format, const Args&... args) {
  return DamagedFile(kKind, absl::StrFormat(format, args...));
}

// The oldest format that can say `model`, so that older programs read what they can.
int FormatOf(const ModelFile& model) {
  if (model.tokenizer.tokenization() == Tokenization::kWords) return 6;
  if (model.config.embedding > 0) return 5;
  if (model.normalization != Normalization::kRaw &&
      model.normalization != Normalization::kD2lLetters) {
    return 4;
  }
  switch (model.config.precision) {
    case Precision::kF32:
    case Precision::kF64:
      return 1;
    case Precision::kBf16:
      return 2;
    case Precision::kTf32:
    case Precision::kF16:
      return 3;
  }
  return kFormat;
}

std::string EncodeConfig(const StackConfig& config) {
  nlohmann::ordered_json object = {{"cell", CellName(config.cell)},
                                   {"layers", config.layers},
                                   {"hidden", config.hidden},
                                   {"vocabulary", config.vocabulary},
                                   {"precision", PrecisionName(config.precision)}};
  if (config.embedding > 0) {
    object["embedding"] = config.embedding;
    object["tied_head"] = config.tied_head;
  }
  return object.dump();
}

std::string EncodeVocabulary(const Vocabulary& vocabulary) {
  json array = json::array();
  for (const char32_t character : vocabulary.characters()) {
    std::string text;
    AppendCharacter(character, text);
    array.push_back(std::move(text));
  }
  return array.dump();
}

std::string EncodeVocabulary(const WordVocabulary& vocabulary) {
  return json(vocabulary.words()).dump();
}

// What `parse` makes of the string under `key`.
template <typename Parse>
auto ParseUnder(const FileMetadata& metadata, const char* key, Parse parse) -> decltype(parse("")) {
  const absl::StatusOr<std::string> text = RequiredMetadata(kKind, metadata, key);
  if (!text.ok()) return text.status();
  auto parsed = parse(*text);
  if (parsed.ok()) return parsed;
  return Damaged("%s: %s", key, parsed.status().message());
}

// Member `name` of `object`.
absl::StatusOr<std::string> ReadString(const json& object, const char* name) {
  const json member = object.value(name, json());
  if (member.is_string()) return member.get<std::string>();
  return absl::DataLossError(
      absl::StrFormat("%s is %s, wanted a string", name, Quoted(member.dump())));
}

absl::StatusOr<StackConfig> ParseConfig(const std::string& text) {
  const absl::StatusOr<json> object = ParseStrictJson(text, 1);
  if (!object.ok()) return object.status();
  if (!object->is_object()) return absl::DataLossError("it is not an object");
  const absl::StatusOr<std::string> cell_name = ReadString(*object, "cell");
  if (!cell_name.ok()) return cell_name.status();
  const absl::StatusOr<Cell> cell = ParseCell(*cell_name);
  if (!cell.ok()) return cell.status();
  const absl::StatusOr<std::string> precision_name = ReadString(*object, "precision");
  if (!precision_name.ok()) return precision_name.status();
  const absl::StatusOr<Precision> precision = ParsePrecision(*precision_name);
  if (!precision.ok()) return precision.status();

  StackConfig config{.cell = *cell, .precision = *precision};
  const bool embedded = object->contains("embedding");
  // The limits of StackConfig.
  const struct {
    const char* name;
    int lowest, highest;
    int& place;
  } members[] = {
      {"layers", 1, 8, config.layers},
      {"hidden", 1, 2048, config.hidden},
      {"vocabulary", 2, embedded ? kMostEmbeddedTokens : kMostOneHotTokens, config.vocabulary},
      {"embedding", 1, 2048, config.embedding}};
  for (const auto& member : members) {
    if (&member.place == &config.embedding && !embedded) continue;
    const auto value = IntegerMember(*object, member.name, member.lowest, member.highest);
    if (!value.ok()) return value.status();
    member.place = static_cast<int>(*value);
  }
  if (!embedded) return config;
  const json tied = object->value("tied_head", json());
  if (!tied.is_boolean() || (tied.get<bool>() && config.embedding != config.hidden)) {
    return absl::DataLossError(absl::StrFormat(
        "tied_head is %s, wanted true or false, and true only where the embedding's %d elements "
        "are as many as a layer's %d units",
        Quoted(tied.dump()), config.embedding, config.hidden));
  }
  config.tied_head = tied.get<bool>();
  return config;
}

absl::StatusOr<Vocabulary> ParseVocabulary(const std::string& text) {
  const absl::StatusOr<json> array = ParseStrictJson(text, 1);
  if (!array.ok()) return array.status();
  if (!array->is_array()) return absl::DataLossError("it is not an array");
  std::vector<char32_t> characters;
  for (const json& element : *array) {
    const std::string character = element.is_string() ? element.get<std::string>() : "";
    const auto decoded = DecodeCharacter(character);
    if (!decoded || static_cast<size_t>(decoded->length) != character.size()) {
      return absl::DataLossError(
          absl::StrFormat("element %d is not a string of one character", characters.size()));
    }
    characters.push_back(decoded->code_point);
  }
  return Vocabulary::FromCharacters(std::move(characters));
}

absl::StatusOr<WordVocabulary> ParseWords(const std::string& text) {
  const absl::StatusOr<json> array = ParseStrictJson(text, 1);
  if (!array.ok()) return array.status();
  if (!array->is_array()) return absl::DataLossError("it is not an array");
  std::vector<std::string> words;
  words.reserve(array->size());
  for (const json& element : *array) {
    if (!element.is_string()) {
      return absl::DataLossError(absl::StrFormat("element %d is not a string", words.size()));
    }
    words.push_back(element.get<std::string>());
  }
  return WordVocabulary::FromWords(std::move(words));
}

absl::StatusOr<Tokenizer> ReadTokenizer(const FileMetadata& metadata) {
  const auto tokenization = ParseUnder(
      metadata, kTokenizationKey, [](const std::string& name) { return ParseTokenization(name); });
  if (!tokenization.ok()) return tokenization.status();
  if (*tokenization == Tokenization::kCharacters) {
    auto vocabulary = ParseUnder(metadata, kVocabularyKey, ParseVocabulary);
    if (!vocabulary.ok()) return vocabulary.status();
    return Tokenizer::Characters(*std::move(vocabulary));
  }
  if (*tokenization == Tokenization::kWords) {
    auto vocabulary = ParseUnder(metadata, kVocabularyKey, ParseWords);
    if (!vocabulary.ok()) return vocabulary.status();
    return Tokenizer::Words(*std::move(vocabulary));
  }
  if (metadata.contains(kVocabularyKey)) {
    return Damaged("it has a %s, though its tokens are bytes", kVocabularyKey);
  }
  return Tokenizer::Bytes();
}

// The tensors' values in the place that `layout` gives each; all of them and no others.
absl::StatusOr<std::vector<float>> ReadParameters(const std::vector<Tensor>& tensors,
                                                  const ParameterLayout& layout) {
  // First, so that nothing large is allocated for a small file's word alone.
  int64_t count = 0;
  for (const Tensor& tensor : tensors) count += static_cast<int64_t>(tensor.values.size());
  if (count != layout.count()) {
    return Damaged("its tensors have %d elements; a model of its configuration has %d", count,
                   layout.count());
  }
  std::map<std::string, const Slice*> missing;
  for (const Slice& slice : layout.slices()) missing[slice.name] = &slice;
  std::vector<float> values(static_cast<size_t>(layout.count()));
  for (const Tensor& tensor : tensors) {
    const auto found = missing.find(tensor.name);
    if (found == missing.end()) {
      return Damaged("a model of its configuration has no tensor %s", Quoted(tensor.name));
    }
    const Slice& slice = *found->second;
    if (tensor.shape != slice.shape) {
      return Damaged("tensor %s has shape %s; a model of its configuration has %s", slice.name,
                     Quoted(json(tensor.shape).dump()), json(slice.shape).dump());
    }
    std::copy(tensor.values.begin(), tensor.values.end(), values.begin() + slice.offset);
    missing.erase(found);
  }
  if (missing.empty()) return values;
  return Damaged("it has no tensor %s", missing.begin()->first);
}

}  // namespace

absl::StatusOr<std::string> EncodeModelFile(const ModelFile& model) {
  const ParameterLayout& layout = model.parameters.layout;
  if (model.tokenizer.vocabulary_size() != model.config.vocabulary ||
      static_cast<int64_t>(model.parameters.values.size()) != layout.count() ||
      layout.count() != ParameterLayout(model.config).count()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "a model of vocabulary %d with a tokenizer of %d, %d parameters in a layout of %d, where "
        "its configuration needs %d",
        model.config.vocabulary, model.tokenizer.vocabulary_size(), model.parameters.values.size(),
        layout.count(), ParameterLayout(model.config).count()));
  }
  Safetensors file;
  file.metadata[kFormatKey] = absl::StrFormat("%d", FormatOf(model));
  file.metadata[kConfigKey] = EncodeConfig(model.config);
  file.metadata[kTokenizationKey] = TokenizationName(model.tokenizer.tokenization());
  file.metadata[kNormalizationKey] = NormalizationName(model.normalization);
  if (const Vocabulary* vocabulary = model.tokenizer.vocabulary()) {
    file.metadata[kVocabularyKey] = EncodeVocabulary(*vocabulary);
  } else if (const WordVocabulary* words = model.tokenizer.words()) {
    file.metadata[kVocabularyKey] = EncodeVocabulary(*words);
  }
  for (const Slice& slice : layout.slices()) {
    const auto begin = model.parameters.values.begin() + slice.offset;
    file.tensors.push_back({slice.name, slice.shape, {begin, begin + slice.count}});
  }
  return EncodeSafetensors(file);
}

absl::StatusOr<ModelFile> DecodeModelFile(absl::Span<const char> bytes) {
  const absl::StatusOr<Safetensors> file = DecodeSafetensors(bytes);
  if (!file.ok()) return file.status();
  const FileMetadata& metadata = file->metadata;
  if (absl::Status status = CheckFileFormat(kKind, metadata, kFormat); !status.ok()) return status;

  const auto config = ParseUnder(metadata, kConfigKey, ParseConfig);
  if (!config.ok()) return config.status();
  absl::StatusOr<Tokenizer> tokenizer = ReadTokenizer(metadata);
  if (!tokenizer.ok()) return tokenizer.status();
  if (tokenizer->vocabulary_size() != config->vocabulary) {
    return Damaged("its configuration has %d tokens, its vocabulary %d", config->vocabulary,
                   tokenizer->vocabulary_size());
  }
  const auto normalization = ParseUnder(metadata, kNormalizationKey, [](const std::string& name) {
    return ParseNormalization(name);
  });
  if (!normalization.ok()) return normalization.status();

  ParameterLayout layout(*config);
  absl::StatusOr<std::vector<float>> values = ReadParameters(file->tensors, layout);
  if (!values.ok()) return values.status();
  return ModelFile{*config, *std::move(tokenizer), *normalization,
                   Parameters{std::move(layout), *std::move(values)}};
}

}  // namespace derin
