#include "server/storage/corpus_table.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "model/text/normalization.h"
#include "server/status/error.h"
#include "server/storage/resource_name.h"
#include "server/storage/sqlite_statement.h"

namespace derin::server::corpus_table {
namespace {

// As people know it: `raw`.
std::string_view NameOf(v1::Normalization normalization) {
  switch (normalization) {
    case v1::NORMALIZATION_D2L_LETTERS:
      return NormalizationName(Normalization::kD2lLetters);
    case v1::NORMALIZATION_NFC:
      return NormalizationName(Normalization::kNfc);
    case v1::NORMALIZATION_LOWER_CASE:
      return NormalizationName(Normalization::kLowerCase);
    case v1::NORMALIZATION_NFC_LOWER_CASE:
      return NormalizationName(Normalization::kNfcLowerCase);
    default:
      return NormalizationName(Normalization::kRaw);
  }
}

// One of before there were any is the same as with any.
bool SameDocuments(const v1::Corpus& stored, const v1::Corpus& corpus) {
  if (stored.documents().empty() || corpus.documents().empty()) return true;
  return std::equal(stored.documents().begin(), stored.documents().end(),
                    corpus.documents().begin(), corpus.documents().end(),
                    [](const v1::CorpusDocument& one, const v1::CorpusDocument& other) {
                      return one.name() == other.name() && one.size_bytes() == other.size_bytes();
                    });
}

}  // namespace

absl::StatusOr<v1::Corpus> Insert(Database& database, const v1::Corpus& corpus,
                                  const ByteQuota& quota) {
  const std::string_view id = IdOf(corpus.name());
  const absl::StatusOr<v1::Corpus> stored = Get(database, id);
  if (stored.ok()) {
    if (stored->sha256() == corpus.sha256() && stored->normalization() == corpus.normalization()) {
      if (SameDocuments(*stored, corpus)) return stored;
      return Refusal(absl::StatusCode::kAlreadyExists, "CORPUS_EXISTS",
                     absl::StrFormat("%s is the same text of other documents", corpus.name()));
    }
    return Refusal(
        absl::StatusCode::kAlreadyExists, "CORPUS_EXISTS",
        absl::StrFormat("%s is another text: its SHA-256 is %s and its normalisation %s; "
                        "got %s and %s",
                        corpus.name(), stored->sha256(), NameOf(stored->normalization()),
                        corpus.sha256(), NameOf(corpus.normalization())));
  }
  if (!absl::IsNotFound(stored.status())) return stored.status();
  const int64_t bytes = corpus.size_bytes();
  if (absl::Status room = CheckRoom(database, quota, bytes); !room.ok()) return room;
  SqliteStatement insert(
      database, "INSERT INTO corpora (id, sha256, record, owner, bytes) VALUES (?, ?, ?, ?, ?)",
      "store a corpus");
  insert.Bind(id).Bind(corpus.sha256()).Bind(corpus).Bind(quota.owner).Bind(bytes);
  if (absl::Status inserted = insert.Run(); !inserted.ok()) return inserted;
  return corpus;
}

absl::StatusOr<v1::Corpus> Get(Database& database, std::string_view id) {
  SqliteStatement select(database, "SELECT record FROM corpora WHERE id = ?", "read a corpus");
  const absl::StatusOr<bool> row = select.Bind(id).Step();
  if (!row.ok()) return row.status();
  if (!*row) {
    return Refusal(absl::StatusCode::kNotFound, "CORPUS_NOT_FOUND",
                   absl::StrFormat("there is no corpus %s", Quoted(id)));
  }
  v1::Corpus corpus;
  if (absl::Status read = select.Message(0, corpus); !read.ok()) return read;
  return corpus;
}

absl::StatusOr<Listing<v1::Corpus>> List(Database& database, std::string_view after, int limit) {
  SqliteStatement select(database, "SELECT record FROM corpora WHERE id > ? ORDER BY id LIMIT ?",
                         "list corpora");
  select.Bind(after).Bind(int64_t{limit} + 1);
  absl::StatusOr<std::vector<v1::Corpus>> corpora = ReadMessages<v1::Corpus>(select);
  if (!corpora.ok()) return corpora.status();
  return MakeListing(*std::move(corpora), limit,
                     [](const v1::Corpus& corpus) { return std::string(IdOf(corpus.name())); });
}

absl::Status Delete(Database& database, std::string_view id) {
  SqliteStatement statement(database, "DELETE FROM corpora WHERE id = ?", "delete a corpus");
  return statement.Bind(id).Run();
}

}  // namespace derin::server::corpus_table
