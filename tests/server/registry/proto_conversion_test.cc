#include "server/registry/proto_conversion.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ProtoConversion, EveryValueOfTheModelHasOneInTheApi) {
  for (const Cell cell : {Cell::kVanillaTanh, Cell::kVanillaRelu, Cell::kGru, Cell::kLstm}) {
    EXPECT_EQ(*FromProto(ToProto(cell), "cell"), cell);
  }
  for (const Tokenization tokens : {Tokenization::kCharacters, Tokenization::kBytes}) {
    EXPECT_EQ(*FromProto(ToProto(tokens), "tokenization"), tokens);
  }
  for (const Precision precision :
       OfferedPrecisions({std::begin(kPrecisions), std::end(kPrecisions)})) {
    EXPECT_EQ(*FromProto(ToProto(precision), "precision"), precision);
  }
  for (const Normalization normalization : kNormalizations) {
    EXPECT_EQ(*FromProto(ToProto(normalization), "normalization"), normalization);
  }
}

TEST(ProtoConversion, UnspecifiedIsTheDocumentedDefault) {
  EXPECT_EQ(*FromProto(v1::CELL_UNSPECIFIED, "cell"), Cell::kLstm);
  EXPECT_EQ(*FromProto(v1::TOKENIZATION_UNSPECIFIED, "t"), Tokenization::kCharacters);
  EXPECT_EQ(*FromProto(v1::PRECISION_UNSPECIFIED, "p"), Precision::kF32);
  EXPECT_EQ(*FromProto(v1::NORMALIZATION_UNSPECIFIED, "n"), Normalization::kRaw);
}

TEST(ProtoConversion, ANumberThatThisServerDoesNotKnowNamesTheField) {
  EXPECT_EQ(ErrorField(FromProto(static_cast<v1::Cell>(99), "spec.config.cell").status()),
            "spec.config.cell");
  EXPECT_EQ(ErrorField(FromProto(static_cast<v1::Tokenization>(99), "t").status()), "t");
  EXPECT_EQ(ErrorField(FromProto(static_cast<v1::Precision>(99), "p").status()), "p");
  EXPECT_EQ(ErrorField(FromProto(static_cast<v1::Normalization>(99), "n").status()), "n");
}

TEST(ProtoConversion, DoublePrecisionHasNoNameInTheApi) {
  EXPECT_EQ(ToProto(Precision::kF64), v1::PRECISION_UNSPECIFIED);
  for (int value = 0; v1::Precision_IsValid(value); ++value) {
    EXPECT_NE(*FromProto(static_cast<v1::Precision>(value), "p"), Precision::kF64) << value;
  }
  EXPECT_THAT(OfferedPrecisions({Precision::kF32, Precision::kF64}), ElementsAre(Precision::kF32));
  EXPECT_THAT(OfferedPrecisions({std::begin(kPrecisions), std::end(kPrecisions)}),
              ElementsAre(Precision::kF32, Precision::kTf32, Precision::kF16, Precision::kBf16));
}

TEST(ProtoConversion, AnEmptyConfigIsTheRecipe) {
  const auto config = FromProto(v1::ModelConfig(), 28, "config");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(*config,
            (StackConfig{.cell = Cell::kLstm, .layers = 2, .hidden = 256, .vocabulary = 28}));
}

TEST(ProtoConversion, AConfigSurvivesTheWayThereAndBack) {
  const StackConfig config{.cell = Cell::kGru,
                           .layers = 3,
                           .hidden = 17,
                           .vocabulary = 257,
                           .precision = Precision::kBf16};
  EXPECT_EQ(*FromProto(ToProto(config, Tokenization::kBytes), 257, "config"), config);
  StackConfig embedded = config;
  embedded.embedding = 17;
  embedded.tied_head = true;
  EXPECT_EQ(*FromProto(ToProto(embedded, Tokenization::kBytes), 257, "config"), embedded);
}

TEST(ProtoConversion, ValuesOutOfRangeNameTheirFields) {
  for (const int bad : {-1, 0, 9}) {
    v1::ModelConfig config;
    config.set_layers(bad);
    EXPECT_EQ(ErrorField(FromProto(config, 28, "config").status()), "config.layers") << bad;
  }
  for (const int bad : {-1, 0, 2049}) {
    v1::ModelConfig config;
    config.set_hidden(bad);
    EXPECT_EQ(ErrorField(FromProto(config, 28, "config").status()), "config.hidden") << bad;
  }
  v1::ModelConfig config;
  config.set_precision(static_cast<v1::Precision>(9));
  EXPECT_EQ(ErrorField(FromProto(config, 28, "config").status()), "config.precision");
}

TEST(ProtoConversion, AVocabularyTooLargeForOneHotInputIsRefused) {
  EXPECT_TRUE(FromProto(v1::ModelConfig(), 1024, "config").ok());
  const absl::Status status = FromProto(v1::ModelConfig(), 1025, "config").status();
  EXPECT_EQ(ErrorField(status), "config.tokenization");
  EXPECT_THAT(std::string(status.message()), HasSubstr("1025"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("config.embedding"));
  v1::ModelConfig config;
  config.set_embedding(8);
  EXPECT_TRUE(FromProto(config, 65536, "config").ok());
  EXPECT_EQ(ErrorField(FromProto(config, 65537, "config").status()), "config.tokenization");
}

}  // namespace
}  // namespace derin::server
