#include "server/jobs/text_reading.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "model/text/character_counter.h"
#include "model/text/text_encoder.h"
#include "model/text/word_vocabulary.h"
#include "server/jobs/spec_check.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

absl::Status Damaged(const v1::Corpus& corpus, absl::string_view why) {
  return Refusal(absl::StatusCode::kDataLoss, "CORPUS_DAMAGED",
                 absl::StrCat("the text of ", corpus.name(), " is damaged: ", why));
}

using TakePiece = absl::FunctionRef<absl::Status(std::string_view)>;
using EndDocument = absl::FunctionRef<absl::Status()>;

// Gives `take` the text in pieces, none of which is of two documents.
absl::Status Read(const v1::Corpus& corpus, const BlobStore& blobs, TakePiece take,
                  EndDocument end_document) {
  constexpr size_t kPiece = 1 << 20;
  auto reader = blobs.NewReader(corpus.sha256());
  if (!reader.ok()) return Damaged(corpus, reader.status().message());
  auto document = corpus.documents().begin();
  // Of the document; the last one, and a text without any, has all that there is.
  int64_t left = corpus.documents().empty() ? 0 : document->size_bytes();
  for (;;) {
    const auto piece = reader->Next(kPiece);
    if (!piece.ok()) return Damaged(corpus, piece.status().message());
    if (piece->empty()) return end_document();
    std::string_view rest = *piece;
    while (!rest.empty()) {
      const bool last = corpus.documents().end() - document <= 1;
      const size_t bytes = last ? rest.size() : std::min(rest.size(), static_cast<size_t>(left));
      if (absl::Status taken = take(rest.substr(0, bytes)); !taken.ok()) return taken;
      rest.remove_prefix(bytes);
      left -= static_cast<int64_t>(bytes);
      if (last || left > 0) continue;
      if (absl::Status ended = end_document(); !ended.ok()) return ended;
      left = (++document)->size_bytes();
    }
  }
}

absl::StatusOr<CharacterCounter> CountCharacters(const TrainingTexts& texts,
                                                 const BlobStore& blobs) {
  CharacterCounter counter;
  for (const TrainingText& text : texts.texts) {
    const absl::Status read = Read(
        text.corpus, blobs,
        [&counter](std::string_view piece) {
          counter.Append(piece);
          return absl::OkStatus();
        },
        [] { return absl::OkStatus(); });
    if (!read.ok()) return read;
  }
  return counter;
}

// Sets the words of each document.
absl::StatusOr<WordCounter> CountWords(const BlobStore& blobs, TrainingTexts& texts) {
  WordCounter counter;
  absl::Status counted;
  for (TrainingText& text : texts.texts) {
    text.document_words.clear();
    int64_t before = counter.token_count();
    const absl::Status read = Read(
        text.corpus, blobs, [&](std::string_view piece) { return counted = counter.Append(piece); },
        [&] {
          counted = counter.Finish();
          text.document_words.push_back(counter.token_count() - before);
          before = counter.token_count();
          return counted;
        });
    if (!counted.ok()) {
      return InvalidField(SpecField("config.tokenization"),
                          std::string_view(counted.message().data(), counted.message().size()));
    }
    if (!read.ok()) return read;
  }
  return counter;
}

}  // namespace

absl::Status CountTexts(const v1::TrainingSpec& spec, const Tokenizer* known,
                        const BlobStore& blobs, TrainingTexts& texts) {
  switch (spec.config().tokenization()) {
    case v1::TOKENIZATION_BYTES:
      return absl::OkStatus();
    case v1::TOKENIZATION_WORDS: {
      const auto counter = CountWords(blobs, texts);
      if (!counter.ok()) return counter.status();
      texts.vocabulary_size =
          counter->VocabularySize(spec.words().max_vocabulary(), spec.words().min_count());
      break;
    }
    default:
      if (known != nullptr || !texts.several()) break;
      const auto counter = CountCharacters(texts, blobs);
      if (!counter.ok()) return counter.status();
      texts.vocabulary_size = counter->distinct_characters() + 1;
  }
  if (known != nullptr) texts.vocabulary_size = known->vocabulary_size();
  return absl::OkStatus();
}

absl::StatusOr<Tokenizer> MakeTokenizer(const v1::TrainingSpec& spec, const BlobStore& blobs,
                                        TrainingTexts& texts) {
  switch (spec.config().tokenization()) {
    case v1::TOKENIZATION_BYTES:
      return Tokenizer::Bytes();
    case v1::TOKENIZATION_WORDS: {
      const auto counter = CountWords(blobs, texts);
      if (!counter.ok()) return counter.status();
      WordVocabulary vocabulary =
          counter->Vocabulary(spec.words().max_vocabulary(), spec.words().min_count());
      texts.vocabulary_size = vocabulary.size();
      return Tokenizer::Words(std::move(vocabulary));
    }
    default: {
      const auto counter = CountCharacters(texts, blobs);
      if (!counter.ok()) return counter.status();
      texts.vocabulary_size = counter->distinct_characters() + 1;
      return Tokenizer::Characters(Vocabulary::Of(*counter));
    }
  }
}

absl::Status EncodeTexts(const TrainingTexts& texts, const Tokenizer& tokenizer, int64_t max_tokens,
                         const BlobStore& blobs, TrainingTokens& tokens) {
  for (const TrainingText& text : texts.texts) {
    TextEncoder encoder(tokenizer);
    int64_t left = max_tokens;
    absl::Status appended;
    const auto append = [&](const std::vector<int32_t>& more) {
      const auto count = std::min(left, static_cast<int64_t>(more.size()));
      left -= count;
      return appended = tokens.Append(absl::MakeSpan(more).first(static_cast<size_t>(count)));
    };
    const absl::Status read = Read(
        text.corpus, blobs,
        [&](std::string_view piece) {
          // Read on all the same, which shows whether the text is whole.
          return left > 0 ? append(encoder.Append(piece)) : absl::OkStatus();
        },
        [&] { return append(encoder.Finish()); });
    if (!appended.ok()) return Damaged(text.corpus, appended.message());
    if (!read.ok()) return read;
  }
  const absl::Status finished = tokens.Finish();
  return absl::IsOutOfRange(finished) ? Damaged(texts.texts.back().corpus, finished.message())
                                      : finished;
}

}  // namespace derin::server
