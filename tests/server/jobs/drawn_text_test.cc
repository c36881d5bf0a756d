#include "server/jobs/drawn_text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/backend/backend_list.h"
#include "model/network/language_model.h"

namespace derin::server {
namespace {

ModelFile ModelOf(Tokenizer tokenizer) {
  const StackConfig config{.layers = 1, .hidden = 12, .vocabulary = tokenizer.vocabulary_size()};
  Parameters parameters = InitialParameters(config, 3);
  for (float& value : parameters.values) value *= 4;  // so that the text depends on the state
  return {config, std::move(tokenizer), Normalization::kRaw, std::move(parameters)};
}

ModelFile LetterModel() { return ModelOf(Tokenizer::Characters(Vocabulary::FromText("abcdefgh"))); }

class DrawTextTest : public testing::Test {
 protected:
  // One token after the other, as a session of this seed draws them.
  std::string OneByOne(const ModelFile& model, std::vector<int32_t> prompt, int count,
                       uint64_t seed) {
    auto language_model = *LanguageModel::Create(*backend_, model.config, model.parameters, 1);
    auto pool =
        *HiddenStatePool::Create(*backend_, ElementType::kF32, StateElements(model.config), 1);
    auto queue = *backend_->NewQueue(QueuePriority::kGeneration);
    std::string text;
    LanguageModel::Row row{.slot = *pool->Acquire(), .from_zero = true};
    row.sample.settings.temperature = 0.8f;
    row.sample.seed = seed;
    const int all = static_cast<int>(prompt.size()) - 1 + count;
    for (int i = 0; i < all; ++i) {
      row.token = prompt[i];
      row.sample.position = i + 1;
      int32_t next = 0;
      EXPECT_TRUE(language_model->Step(*queue, *pool, {&row, 1}, {&next, 1}).ok());
      row.from_zero = false;
      if (i + 1 < static_cast<int>(prompt.size())) continue;
      prompt.push_back(next);
      model.tokenizer.AppendBytes(next, text);
    }
    return text;
  }

  std::unique_ptr<Backend> backend_ = *NewBackend("auto");
};

TEST_F(DrawTextTest, IsWhatASessionOfThatSeedDraws) {
  const ModelFile model = LetterModel();
  for (const int tokens : {1, 16, 50}) {
    const auto text = DrawText(*backend_, model, {.prompt = "abc", .tokens = tokens, .seed = 5});
    ASSERT_TRUE(text.ok()) << text.status();
    EXPECT_EQ(*text, OneByOne(model, model.tokenizer.Encode("abc").tokens, tokens, 5));
    EXPECT_EQ(text->size(), static_cast<size_t>(tokens));
  }
}

TEST_F(DrawTextTest, APromptThatNormalisationLeavesNothingOfIsATextFromNothing) {
  ModelFile model = LetterModel();
  const auto text = DrawText(*backend_, model, {.prompt = "", .tokens = 9, .seed = 5});
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(*text, OneByOne(model, {Vocabulary::kUnknown}, 9, 5));
}

TEST_F(DrawTextTest, IsTextWhateverBytesAreDrawn) {
  const auto text =
      DrawText(*backend_, ModelOf(Tokenizer::Bytes()), {.prompt = "a", .tokens = 200, .seed = 1});
  ASSERT_TRUE(text.ok()) << text.status();
  Utf8Checker checker;
  EXPECT_TRUE(checker.Append(*text).ok());
  EXPECT_TRUE(checker.Finish().ok());
}

}  // namespace
}  // namespace derin::server
