#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace derin::server {

// What a backup needs to know of a file of metadata.
struct MetadataFacts {
  int64_t schema_version = 0;
  absl::flat_hash_set<std::string> blobs;  // digests of all that its records name
};

// Of a file that keeps its schema, older ones too. DATA_LOSS for a damaged one; FAILED_PRECONDITION
// for one of another program or, reason METADATA_TOO_NEW, of a newer server.
absl::StatusOr<MetadataFacts> ReadMetadataFacts(const std::filesystem::path& file);

// Copies the metadata of one moment to `to`, which is not there, while a server may commit to
// `from`: neither waits for the other. The facts are those of the copy.
absl::StatusOr<MetadataFacts> SnapshotMetadata(const std::filesystem::path& from,
                                               const std::filesystem::path& to);

}  // namespace derin::server
