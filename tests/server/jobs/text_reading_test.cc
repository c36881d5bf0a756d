#include "server/jobs/text_reading.h"

#include <gmock/gmock.h>

#include "server/jobs/word_spec.h"
#include "server/status/error.h"
#include "tests/server/jobs/training_ground.h"

namespace derin::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// With a corpus `corpora/shelf` of two documents that meet within what would be a word, and one,
// `corpora/note`, that has none.
struct TextReadingTest : TrainingGround {
  v1::TrainingSpec spec;

  void SetUp() override {
    TrainingGround::SetUp();
    AddShelf({"the sea is cal", "mer ü"});
    ASSERT_TRUE(AddCorpus("note", "is it?").ok());
    spec = TinySpec();
    spec.set_corpus("corpora/shelf");
  }
  void AddShelf(const std::vector<std::string>& documents) {
    std::string text;
    v1::Corpus listed;
    for (const std::string& document : documents) {
      text += document;
      v1::CorpusDocument& one = *listed.add_documents();
      one.set_size_bytes(static_cast<int64_t>(document.size()));
      CharacterCounter counter;
      counter.Append(document);
      one.set_character_count(counter.character_count());
    }
    ASSERT_TRUE(blobs->Write(text).ok());
    v1::Corpus corpus = TestCorpus("shelf", text);
    corpus.set_character_count(static_cast<int64_t>(text.size()) - 1);
    corpus.set_vocabulary_size(Vocabulary::FromText(text).size());
    *corpus.mutable_documents() = listed.documents();
    ASSERT_TRUE(store->InsertCorpus(corpus).ok());
  }
  void UseWords() {
    spec.mutable_config()->set_tokenization(v1::TOKENIZATION_WORDS);
    ASSERT_TRUE(ResolveWordSettings(nullptr, spec).ok());
  }
  void AddNote() { spec.add_more_corpora()->set_corpus("corpora/note"); }
  // What `tokenizer` says the first `max_tokens` of each are, `<unk>` as U+FFFD.
  std::string Encoded(const TrainingTexts& texts, const Tokenizer& tokenizer, int64_t count,
                      int64_t max_tokens) {
    auto tokens = *TrainingTokens::Create(*backend, count, {});
    const absl::Status encoded = EncodeTexts(texts, tokenizer, max_tokens, *blobs, tokens);
    if (!encoded.ok()) return std::string(encoded.message());
    std::vector<int32_t> ids(static_cast<size_t>(count));
    auto queue = *backend->NewQueue(QueuePriority::kTraining);
    EXPECT_TRUE(backend->Download(*queue, tokens.trained().view(), ids.data()).ok());
    std::string said;
    for (const int32_t id : ids) {
      said += "|";
      tokenizer.AppendBytes(id, said);
    }
    return said;
  }
  void Damage(const std::string& id) {
    const std::filesystem::path file = folder.path() / "blobs" / store->GetCorpus(id)->sha256();
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    WriteTestFile(file, "something else");
  }
};

TEST_F(TextReadingTest, OneTextOfCharactersIsNotReadToBeCounted) {
  auto texts = *FindTexts(spec, *store);
  Damage("shelf");
  ASSERT_TRUE(CountTexts(spec, nullptr, *blobs, texts).ok());
  EXPECT_EQ(texts.vocabulary_size, 13);
}

TEST_F(TextReadingTest, SeveralTextsHaveAVocabularyTogether) {
  AddNote();
  auto texts = *FindTexts(spec, *store);
  ASSERT_TRUE(CountTexts(spec, nullptr, *blobs, texts).ok());
  EXPECT_EQ(texts.vocabulary_size, 14) << "that of the shelf and a question mark";
  const auto tokenizer = MakeTokenizer(spec, *blobs, texts);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ(tokenizer->vocabulary_size(), 14);
  EXPECT_EQ(Encoded(texts, *tokenizer, 6, 3), "|t|h|e|i|s| ");
  const Tokenizer known = Tokenizer::Characters(Vocabulary::FromText("the"));
  ASSERT_TRUE(CountTexts(spec, &known, *blobs, texts).ok());
  EXPECT_EQ(texts.vocabulary_size, 4);
}

TEST_F(TextReadingTest, AWordEndsWhereItsDocumentDoes) {
  UseWords();
  AddNote();
  auto texts = *FindTexts(spec, *store);
  ASSERT_TRUE(CountTexts(spec, nullptr, *blobs, texts).ok());
  EXPECT_THAT(texts.texts[0].document_words, ElementsAre(4, 2));
  EXPECT_THAT(texts.texts[1].document_words, ElementsAre(3));
  // "the", " sea", " is", " cal", "mer", " ü", "is", " it", "?", and `<unk>`.
  EXPECT_EQ(texts.vocabulary_size, 10);
  const auto tokenizer = MakeTokenizer(spec, *blobs, texts);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ(Encoded(texts, *tokenizer, 9, 100), "|the| sea| is| cal|mer| ü|is| it|?");
  EXPECT_EQ(Encoded(texts, *tokenizer, 4, 2), "|the| sea|is| it");
}

TEST_F(TextReadingTest, BytesNeedNoCounting) {
  spec.mutable_config()->set_tokenization(v1::TOKENIZATION_BYTES);
  auto texts = *FindTexts(spec, *store);
  const auto tokenizer = MakeTokenizer(spec, *blobs, texts);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ(Encoded(texts, *tokenizer, 8, 8), "|t|h|e| |s|e|a| ");
}

TEST_F(TextReadingTest, ADamagedTextIsRefusedAlsoBehindWhatIsRead) {
  spec.mutable_config()->set_tokenization(v1::TOKENIZATION_BYTES);
  auto texts = *FindTexts(spec, *store);
  Damage("shelf");
  EXPECT_THAT(Encoded(texts, Tokenizer::Bytes(), 2, 2), HasSubstr("corpora/shelf is damaged"));
  UseWords();
  const absl::Status counted = CountTexts(spec, nullptr, *blobs, texts);
  EXPECT_EQ(ErrorReason(counted), "CORPUS_DAMAGED");
  spec.mutable_config()->clear_tokenization();
  EXPECT_EQ(ErrorReason(MakeTokenizer(spec, *blobs, texts).status()), "CORPUS_DAMAGED");
}

TEST_F(TextReadingTest, ATextOfOtherLengthThanItsRecordSaysIsDamaged) {
  const auto texts = *FindTexts(spec, *store);
  const Tokenizer tokenizer = Tokenizer::Bytes();
  EXPECT_THAT(Encoded(texts, tokenizer, 5, 100), HasSubstr("more than the 5 tokens"));
  EXPECT_THAT(Encoded(texts, tokenizer, 50, 100), HasSubstr("where 50 were counted"));
}

}  // namespace
}  // namespace derin::server
