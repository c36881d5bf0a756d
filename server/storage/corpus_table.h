#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "derin/v1/corpus.pb.h"
#include "server/storage/byte_quota.h"
#include "server/storage/database.h"
#include "server/storage/listing.h"

// Rows of the table `corpora`; MetadataStore says what the operations mean. All are called within a
// transaction or a lock of its.
namespace derin::server::corpus_table {

absl::StatusOr<v1::Corpus> Insert(Database& database, const v1::Corpus& corpus,
                                  const ByteQuota& quota = {});
absl::StatusOr<v1::Corpus> Get(Database& database, std::string_view id);
absl::StatusOr<Listing<v1::Corpus>> List(Database& database, std::string_view after, int limit);
absl::Status Delete(Database& database, std::string_view id);

}  // namespace derin::server::corpus_table
