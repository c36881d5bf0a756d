#include "model/checkpoint/model_file.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <functional>
#include <map>

#include "model/checkpoint/safetensors.h"

namespace derin {
namespace {

using ::testing::HasSubstr;

ModelFile SmallModel(Cell cell = Cell::kLstm) {
  const StackConfig config{.cell = cell, .layers = 2, .hidden = 3, .vocabulary = 5};
  return {config, Tokenizer::Characters(Vocabulary::FromText("a\xC3\xBC\"\n")),
          Normalization::kD2lLetters, InitialParameters(config, 7)};
}

ModelFile ByteModel() {
  const StackConfig config{.cell = Cell::kGru, .layers = 1, .hidden = 2, .vocabulary = 257};
  return {config, Tokenizer::Bytes(), Normalization::kRaw, InitialParameters(config, 7)};
}

ModelFile WordModel() {
  const StackConfig config{.cell = Cell::kGru, .layers = 1, .hidden = 2, .vocabulary = 5};
  return {config,
          Tokenizer::Words(*WordVocabulary::FromWords({" the", "The", "\n", " na\xC3\xAFve"})),
          Normalization::kNfc, InitialParameters(config, 7)};
}

void ExpectSame(const ModelFile& got, const ModelFile& wanted) {
  EXPECT_EQ(got.config, wanted.config);
  EXPECT_EQ(got.tokenizer.tokenization(), wanted.tokenizer.tokenization());
  if (wanted.tokenizer.vocabulary() != nullptr) {
    EXPECT_EQ(got.tokenizer.vocabulary()->characters(),
              wanted.tokenizer.vocabulary()->characters());
  }
  if (wanted.tokenizer.words() != nullptr) {
    EXPECT_EQ(got.tokenizer.words()->words(), wanted.tokenizer.words()->words());
  }
  EXPECT_EQ(got.normalization, wanted.normalization);
  EXPECT_EQ(got.parameters.values, wanted.parameters.values);
}

// What becomes of a model's file after `change`, with fresh checksums: a liar, not a bad disk.
absl::Status StatusAfter(const std::function<void(Safetensors&)>& change,
                         const ModelFile& model = SmallModel()) {
  Safetensors file = DecodeSafetensors(EncodeModelFile(model).value()).value();
  change(file);
  return DecodeModelFile(EncodeSafetensors(file).value()).status();
}

absl::Status StatusWith(const std::string& key, const std::string& value) {
  return StatusAfter([&](Safetensors& file) { file.metadata[key] = value; });
}

TEST(ModelFile, ComesBackAsItWas) {
  for (const Cell cell : {Cell::kVanillaTanh, Cell::kVanillaRelu, Cell::kGru, Cell::kLstm}) {
    for (const Precision precision : kPrecisions) {
      ModelFile model = SmallModel(cell);
      model.config.precision = precision;
      const auto decoded = DecodeModelFile(EncodeModelFile(model).value());
      ASSERT_TRUE(decoded.ok()) << decoded.status();
      ExpectSame(*decoded, model);
    }
  }
  const auto decoded = DecodeModelFile(EncodeModelFile(ByteModel()).value());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ExpectSame(*decoded, ByteModel());
}

TEST(ModelFile, OfWordsComesBackAsItWas) {
  const std::string bytes = EncodeModelFile(WordModel()).value();
  const Safetensors file = DecodeSafetensors(bytes).value();
  EXPECT_EQ(file.metadata.at("derin.format"), "6");
  EXPECT_EQ(file.metadata.at("derin.tokenization"), "words");
  EXPECT_EQ(file.metadata.at("derin.vocabulary"), "[\" the\",\"The\",\"\\n\",\" na\xC3\xAFve\"]");
  const auto decoded = DecodeModelFile(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ExpectSame(*decoded, WordModel());
}

TEST(ModelFile, OfWordsWithABadVocabularyIsRefused) {
  const auto with = [](const char* vocabulary) {
    return StatusAfter([&](Safetensors& file) { file.metadata["derin.vocabulary"] = vocabulary; },
                       WordModel());
  };
  EXPECT_EQ(with(R"(["a"," b","c","."])"), absl::OkStatus());
  for (const char* vocabulary :
       {"", "{}", "[]", "[1,2,3,4]", R"([["a"]])", R"(["a","b","c","two words"])",
        R"(["a","b","c",""])", R"(["a","b","c","a"])", R"(["a","b","c","d "])",
        R"(["a","b","c","  d"])", R"(["a","b","c"])", R"(["a","b","c","d","e"])",
        R"(["a","b","c","\ud800"])"}) {
    EXPECT_EQ(with(vocabulary).code(), absl::StatusCode::kDataLoss) << vocabulary;
  }
  const absl::Status status = with(R"(["a","b","c","two words"])");
  EXPECT_THAT(
      std::string(status.message()),
      HasSubstr("derin.vocabulary: token 4 of the vocabulary is \"two words\", wanted one word"));
  EXPECT_EQ(
      StatusAfter([](Safetensors& file) { file.metadata.erase("derin.vocabulary"); }, WordModel())
          .code(),
      absl::StatusCode::kDataLoss);
}

// With an embedding of as many elements as a layer has units, its own head or a tied one.
ModelFile EmbeddedModel(bool tied) {
  ModelFile model = SmallModel();
  model.config.embedding = 3;
  model.config.tied_head = tied;
  model.parameters = InitialParameters(model.config, 7);
  return model;
}

TEST(ModelFile, WithAnEmbeddingComesBackAsItWas) {
  for (const bool tied : {false, true}) {
    const ModelFile model = EmbeddedModel(tied);
    const std::string bytes = EncodeModelFile(model).value();
    const Safetensors file = DecodeSafetensors(bytes).value();
    EXPECT_EQ(file.metadata.at("derin.format"), "5");
    std::map<std::string, std::vector<int64_t>> shapes;
    for (const Tensor& tensor : file.tensors) shapes[tensor.name] = tensor.shape;
    EXPECT_EQ(shapes.at("rnn.weight_ih_l0"), (std::vector<int64_t>{12, 3}));
    EXPECT_EQ(shapes.at("embedding.weight"), (std::vector<int64_t>{5, 3}));
    EXPECT_EQ(shapes.contains("head.weight"), !tied);
    const auto decoded = DecodeModelFile(bytes);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    ExpectSame(*decoded, model);
  }
}

TEST(ModelFile, AHeadIsTiedOnlyToAnEmbeddingOfItsSize) {
  const auto with = [](const std::string& embedding, const std::string& tied) {
    return StatusAfter(
        [&](Safetensors& file) {
          file.metadata["derin.config"] =
              R"({"cell":"lstm","layers":2,"hidden":3,"vocabulary":5,"precision":"f32","embedding":)" +
              embedding + tied + "}";
        },
        EmbeddedModel(true));
  };
  EXPECT_TRUE(with("3", R"(,"tied_head":true)").ok());
  for (const auto& [embedding, tied] :
       {std::pair{"2", R"(,"tied_head":true)"}, std::pair{"3", R"(,"tied_head":1)"},
        std::pair{"3", ""}, std::pair{"0", R"(,"tied_head":false)"},
        std::pair{"2049", R"(,"tied_head":false)"}}) {
    EXPECT_EQ(with(embedding, tied).code(), absl::StatusCode::kDataLoss) << embedding << tied;
  }
}

TEST(ModelFile, HasTheNamesAndShapesOfPyTorch) {
  const Safetensors file = DecodeSafetensors(EncodeModelFile(SmallModel()).value()).value();
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const Tensor& tensor : file.tensors) shapes[tensor.name] = tensor.shape;
  EXPECT_EQ(shapes, (std::map<std::string, std::vector<int64_t>>{
                        {"rnn.weight_ih_l0", {12, 5}},
                        {"rnn.weight_hh_l0", {12, 3}},
                        {"rnn.bias_ih_l0", {12}},
                        {"rnn.bias_hh_l0", {12}},
                        {"rnn.weight_ih_l1", {12, 3}},
                        {"rnn.weight_hh_l1", {12, 3}},
                        {"rnn.bias_ih_l1", {12}},
                        {"rnn.bias_hh_l1", {12}},
                        {"head.weight", {5, 3}},
                        {"head.bias", {5}},
                    }));
  EXPECT_EQ(file.metadata.at("derin.format"), "1");
  EXPECT_EQ(file.metadata.at("derin.config"),
            R"({"cell":"lstm","layers":2,"hidden":3,"vocabulary":5,"precision":"f32"})");
  EXPECT_EQ(file.metadata.at("derin.vocabulary"), "[\"\\n\",\"\\\"\",\"a\",\"\xC3\xBC\"]");
}

TEST(ModelFile, TakesTensorsInAnyOrder) {
  EXPECT_EQ(StatusAfter(
                [](Safetensors& file) { std::reverse(file.tensors.begin(), file.tensors.end()); }),
            absl::OkStatus());
}

TEST(ModelFile, CutAtAnyLengthIsRefused) {
  const std::string bytes = EncodeModelFile(SmallModel()).value();
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_EQ(DecodeModelFile({bytes.data(), length}).status().code(), absl::StatusCode::kDataLoss)
        << length << " of " << bytes.size();
  }
}

TEST(ModelFile, WithAnyBitFlippedIsRefusedOrTheSameModel) {
  const ModelFile model = SmallModel();
  const std::string bytes = EncodeModelFile(model).value();
  int accepted = 0;
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    const auto decoded = DecodeModelFile(flipped);
    if (!decoded.ok()) continue;
    ++accepted;
    ExpectSame(*decoded, model);
  }
  // Only flips in the name of the metadata's checksum, which take that check away.
  EXPECT_LT(accepted, static_cast<int>(8 * sizeof("metadata_checksum")));
}

TEST(ModelFile, OfANewerFormatIsUnimplemented) {
  const absl::Status status = StatusWith("derin.format", "7");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("format version 7; this program reads 1 to 6"));
  EXPECT_EQ(StatusWith("derin.format", "6"), absl::OkStatus());
  for (const char* format : {"0", "-1", "one", "", "1.5", "99999999999"}) {
    EXPECT_EQ(StatusWith("derin.format", format).code(), absl::StatusCode::kDataLoss) << format;
  }
}

TEST(ModelFile, HasTheOldestFormatThatCanSayItsPrecision) {
  const std::pair<Precision, const char*> formats[] = {{Precision::kF32, "1"},
                                                       {Precision::kF64, "1"},
                                                       {Precision::kBf16, "2"},
                                                       {Precision::kTf32, "3"},
                                                       {Precision::kF16, "3"}};
  for (const auto& [precision, format] : formats) {
    ModelFile model = SmallModel();
    model.config.precision = precision;
    const Safetensors file = DecodeSafetensors(EncodeModelFile(model).value()).value();
    EXPECT_EQ(file.metadata.at("derin.format"), format) << PrecisionName(precision);
  }
}

TEST(ModelFile, ComesBackWithEveryNormalization) {
  for (const Normalization normalization : kNormalizations) {
    ModelFile model = SmallModel();
    model.normalization = normalization;
    const std::string bytes = EncodeModelFile(model).value();
    const bool old =
        normalization == Normalization::kRaw || normalization == Normalization::kD2lLetters;
    EXPECT_EQ(DecodeSafetensors(bytes)->metadata.at("derin.format"), old ? "1" : "4");
    const absl::StatusOr<ModelFile> file = DecodeModelFile(bytes);
    ASSERT_TRUE(file.ok()) << file.status();
    ExpectSame(*file, model);
  }
}

TEST(ModelFile, InAnUnknownPrecisionNamesTheKnownOnes) {
  const absl::Status status = StatusWith(
      "derin.config", R"({"cell":"lstm","layers":2,"hidden":3,"vocabulary":5,"precision":"f8"})");
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("derin.config: got precision 'f8', wanted f32, tf32, f16, bf16 or f64"));
}

TEST(ModelFile, WithoutPartOfItsMetadataIsRefusedByName) {
  for (const std::string key : {"derin.format", "derin.config", "derin.tokenization",
                                "derin.vocabulary", "derin.normalization"}) {
    const absl::Status status = StatusAfter([&](Safetensors& file) { file.metadata.erase(key); });
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << key;
    EXPECT_THAT(std::string(status.message()), HasSubstr(key));
  }
  EXPECT_EQ(StatusWith("another.program", "anything"), absl::OkStatus());
}

TEST(ModelFile, WithABadConfigurationIsRefused) {
  for (const char* config : {
           "",
           "{",
           "[]",
           "{}",
           "{\"cell\":\"lstm\"}",
           R"({"cell":"qrnn","layers":2,"hidden":3,"vocabulary":5,"precision":"f32"})",
           R"({"cell":4,"layers":2,"hidden":3,"vocabulary":5,"precision":"f32"})",
           R"({"cell":"lstm","layers":0,"hidden":3,"vocabulary":5,"precision":"f32"})",
           R"({"cell":"lstm","layers":9,"hidden":3,"vocabulary":5,"precision":"f32"})",
           R"({"cell":"lstm","layers":2,"hidden":2049,"vocabulary":5,"precision":"f32"})",
           R"({"cell":"lstm","layers":2,"hidden":3.0,"vocabulary":5,"precision":"f32"})",
           R"({"cell":"lstm","layers":2,"hidden":-3,"vocabulary":5,"precision":"f32"})",
           R"({"cell":"lstm","layers":2,"hidden":3,"vocabulary":6,"precision":"f32"})",
           R"({"cell":"lstm","layers":2,"hidden":3,"vocabulary":99999999999,"precision":"f32"})",
           R"({"cell":"lstm","layers":2,"hidden":3,"vocabulary":5,"precision":"f8"})",
           R"({"cell":"lstm","layers":2,"hidden":3,"vocabulary":5,"precision":"f32","layers":2})",
           R"({"cell":"gru","layers":2,"hidden":3,"vocabulary":5,"precision":"f32"})",
           R"({"cell":"lstm","layers":8,"hidden":2048,"vocabulary":5,"precision":"f32"})",
       }) {
    EXPECT_EQ(StatusWith("derin.config", config).code(), absl::StatusCode::kDataLoss) << config;
  }
}

TEST(ModelFile, WithABadVocabularyIsRefused) {
  for (const char* vocabulary :
       {"", "{}", "[]", "[1,2,3,4]", R"(["a","b","c","dd"])", R"(["a","b","c",""])",
        R"(["a","b","c","a"])", R"(["a","b","c"])", R"(["a","b","c","d","e"])", R"([["a"]])"}) {
    EXPECT_EQ(StatusWith("derin.vocabulary", vocabulary).code(), absl::StatusCode::kDataLoss)
        << vocabulary;
  }
  EXPECT_EQ(StatusWith("derin.vocabulary", R"(["d","c","b","a"])"), absl::OkStatus());
  EXPECT_EQ(StatusWith("derin.tokenization", "syllables").code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(StatusWith("derin.normalization", "lower").code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(
      StatusAfter([](Safetensors& file) { file.metadata["derin.vocabulary"] = "[]"; }, ByteModel())
          .code(),
      absl::StatusCode::kDataLoss);
}

TEST(ModelFile, WithOtherTensorsThanItsConfigurationNeedsIsRefused) {
  const std::vector<std::function<void(Safetensors&)>> changes = {
      [](Safetensors& file) { file.tensors.pop_back(); },
      [](Safetensors& file) {
        file.tensors.push_back({"extra", {1}, {0}});
      },
      [](Safetensors& file) {
        file.tensors.push_back({"extra", {0}, {}});
      },
      [](Safetensors& file) { file.tensors.back().name = "head.bais"; },
      [](Safetensors& file) {
        file.tensors[1].shape = {3, 12};
      },
      [](Safetensors& file) {
        file.tensors[2].shape = {12, 1};
      },
      [](Safetensors& file) { std::swap(file.tensors[0].name, file.tensors[1].name); },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    EXPECT_EQ(StatusAfter(changes[i]).code(), absl::StatusCode::kDataLoss) << "change " << i;
  }
}

TEST(ModelFile, ThatContradictsItselfIsNotWritten) {
  ModelFile model = SmallModel();
  model.parameters.values.pop_back();
  EXPECT_EQ(EncodeModelFile(model).status().code(), absl::StatusCode::kInvalidArgument);
  model = SmallModel();
  model.tokenizer = Tokenizer::Bytes();
  EXPECT_EQ(EncodeModelFile(model).status().code(), absl::StatusCode::kInvalidArgument);
  model = SmallModel();
  model.config.hidden = 4;
  EXPECT_EQ(EncodeModelFile(model).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace derin
