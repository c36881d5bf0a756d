#include "server/registry/model_digest.h"

#include <set>
#include <string>

#include "gtest/gtest.h"
#include "server/storage/sha256.h"

namespace derin::server {
namespace {

ModelFile Model(const std::string& text = "abc", StackConfig config = {.layers = 1, .hidden = 4}) {
  Tokenizer tokenizer = Tokenizer::Characters(Vocabulary::FromText(text));
  config.vocabulary = tokenizer.vocabulary_size();
  return {.config = config,
          .tokenizer = std::move(tokenizer),
          .normalization = Normalization::kRaw,
          .parameters = InitialParameters(config, 1)};
}

TEST(ModelDigest, IsTheSameForTheSameModel) {
  EXPECT_EQ(ModelSha256(Model()), ModelSha256(Model()));
  EXPECT_TRUE(IsSha256Hex(ModelSha256(Model())));
}

TEST(ModelDigest, DoesNotDependOnThePrecisionThatItIsComputedIn) {
  ModelFile model = Model();
  model.config.precision = Precision::kBf16;
  EXPECT_EQ(ModelSha256(model), ModelSha256(Model()));
}

TEST(ModelDigest, DependsOnAllThatMakesItsText) {
  std::set<std::string> digests{ModelSha256(Model()), ModelSha256(Model("abd")),
                                ModelSha256(Model("bbac"))};
  ModelFile model = Model();
  model.normalization = Normalization::kD2lLetters;
  digests.insert(ModelSha256(model));
  model = Model();
  model.parameters.values.back() += 1e-6f;
  digests.insert(ModelSha256(model));
  // As many parameters in another cell.
  model = Model();
  model.config.cell = Cell::kVanillaTanh;
  digests.insert(ModelSha256(model));
  EXPECT_EQ(digests.size(), 6u);
}

TEST(ModelDigest, DependsOnWhereWordsEnd) {
  const auto of_words = [](std::vector<std::string> words) {
    ModelFile model = Model();
    model.tokenizer = Tokenizer::Words(*WordVocabulary::FromWords(std::move(words)));
    return ModelSha256(model);
  };
  std::set<std::string> digests{of_words({"a", "b", "cd"}), of_words({"ab", "c", "d"}),
                                of_words({"a", "bc", "d"}), of_words({"cd", "b", "a"}),
                                ModelSha256(Model())};
  EXPECT_EQ(digests.size(), 5u);
  EXPECT_EQ(of_words({"ab", "c", "d"}), of_words({"ab", "c", "d"}));
}

}  // namespace
}  // namespace derin::server
