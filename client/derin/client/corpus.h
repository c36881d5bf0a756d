#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "derin/client/byte_source.h"

namespace derin::client {

// What is done to a text before it is stored; prompts of models trained on it pass through the
// same.
enum class Normalization {
  // In a request the server's default, raw; in a reply a value that this client does not know.
  kUnspecified,
  // The text as it is.
  kRaw,
  // The cleaning of "Dive into Deep Learning": lower-case letters and single spaces, lines stripped
  // and joined with nothing between.
  kD2lLetters,
  // Unicode's Normalization Form C.
  kNfc,
  // Each character in Unicode's simple lower case.
  kLowerCase,
  // kNfc first, kLowerCase then.
  kNfcLowerCase,
};

// How often a character is in a text.
struct CharacterCount {
  // One Unicode code point, as UTF-8.
  std::string character;
  int64_t count = 0;

  bool operator==(const CharacterCount&) const = default;
};

// One of several texts that a corpus consists of, such as a book.
struct CorpusDocument {
  std::string name;
  // Of UTF-8 after normalisation, at least 1.
  int64_t size_bytes = 0;
  // After normalisation, at least 1.
  int64_t character_count = 0;
  // Distinct code points, and one more for `<unk>`.
  int32_t vocabulary_size = 0;

  bool operator==(const CorpusDocument&) const = default;
};

// A text to train on. It never changes: another text is another corpus.
struct Corpus {
  // `corpora/ID`.
  std::string name;
  std::optional<absl::Time> create_time;
  Normalization normalization = Normalization::kUnspecified;
  // Bytes of UTF-8 after normalisation, at least 1.
  int64_t size_bytes = 0;
  // Unicode code points after normalisation, at least 1.
  int64_t character_count = 0;
  // Distinct code points after normalisation, and one more for `<unk>`.
  int32_t vocabulary_size = 0;
  // SHA-256 of the normalised text, 64 lower-case hexadecimal digits.
  std::string sha256;
  // The most frequent characters, 20 at most, by falling count. Empty where the server does not
  // say.
  std::vector<CharacterCount> most_frequent;
  // In the order in which they stand in it. Empty in what ListCorpora gives, and for a text that
  // was uploaded without any.
  std::vector<CorpusDocument> documents;
  int32_t document_count = 0;
};

// A document to upload.
struct DocumentSource {
  // 1 to 200 bytes without control characters, as no other has. Empty, for one alone: a text
  // without documents.
  std::string name;
  ByteSource source;
};

// One for UploadCorpusOptions: 128 random bits.
std::string NewUploadId();

struct UploadCorpusOptions {
  // Id of the corpus to make: `[a-z][a-z0-9-]{0,62}`.
  std::string corpus_id;
  Normalization normalization = Normalization::kUnspecified;
  // SHA-256 of the bytes as sent, 64 hexadecimal digits; DATA_LOSS when what arrived differs.
  // Empty: not compared.
  std::string sha256;
  // What names the upload so that it can go on after a break, `[A-Za-z0-9_-]{1,64}`. One that an
  // earlier upload had goes on with it: what the server has of the source is read and not sent.
  // Empty: one that is drawn.
  std::string upload_id;
  // An upload that loses its connection goes on so many times in a row, waiting twice as long each
  // time, 2 s at most.
  int reconnect_tries = 10;
  absl::Duration reconnect_wait = absl::Milliseconds(250);
};

// Called on the calling thread.
struct UploadCorpusCallbacks {
  // So many bytes of the source are on their way or there; not less than the time before.
  std::function<void(int64_t bytes)> progress;
  // The connection broke with `error`; the upload goes on when this returns.
  std::function<void(const absl::Status& error)> reconnecting;
};

// An upload that can go on.
struct CorpusUpload {
  std::string upload_id;
  // Bytes of the source that survive the server and its machine.
  int64_t committed_bytes = 0;
  // When it goes unless a call goes on with it before.
  std::optional<absl::Time> expire_time;
  // What it became, where it has ended well.
  std::optional<Corpus> corpus;
};

}  // namespace derin::client
