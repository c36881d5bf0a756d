#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "model/checkpoint/durable_file.h"
#include "server/storage/sha256.h"

namespace derin::server {

class BlobStore;

// Content that is stored. While a copy of it lives, no Sweep removes the content: hold it until the
// record that names it is stored.
struct Blob {
  std::string sha256;  // 64 lower-case hexadecimal digits
  int64_t size_bytes = 0;
  std::shared_ptr<void> hold;
};

// Writes one blob piece by piece. Destroyed without Commit, it leaves nothing behind.
class BlobWriter {
 public:
  // RESOURCE_EXHAUSTED when the disk is full.
  absl::Status Append(std::string_view bytes);
  // Once only; the content is on the disk when it returns. Content that was there already is the
  // same blob.
  absl::StatusOr<Blob> Commit();

  int64_t size_bytes() const { return size_bytes_; }

 private:
  friend class BlobStore;
  BlobWriter(BlobStore& store, DurableFile file) : store_(&store), file_(std::move(file)) {}

  BlobStore* store_;
  DurableFile file_;
  Sha256 sha256_;
  int64_t size_bytes_ = 0;
};

// Reads one blob piece by piece, also when it is removed meanwhile.
class BlobReader {
 public:
  // The next bytes, at most `bytes` (above 0); empty at the end. The last ones are only given when
  // the whole content has its digest; else DATA_LOSS.
  absl::StatusOr<std::string> Next(size_t bytes);

 private:
  friend class BlobStore;
  BlobReader(std::string sha256, std::ifstream file, int64_t size_bytes)
      : sha256_(std::move(sha256)), file_(std::move(file)), left_(size_bytes) {}

  std::string sha256_;
  std::ifstream file_;
  int64_t left_;
  Sha256 digest_;
};

// Immutable files named by the SHA-256 of their content, in one folder. Thread-safe; outlives
// its writers and Blobs.
class BlobStore {
 public:
  // `folder` is there.
  explicit BlobStore(std::filesystem::path folder) : folder_(std::move(folder)) {}

  absl::StatusOr<BlobWriter> NewWriter();
  // A writer, Append and Commit in one.
  absl::StatusOr<Blob> Write(std::string_view content);

  // DATA_LOSS naming the blob when it is not there or its content has another digest.
  absl::StatusOr<std::string> Read(std::string_view sha256) const;
  // The same in pieces.
  absl::StatusOr<BlobReader> NewReader(std::string_view sha256) const;

  using DigestSet = absl::flat_hash_set<std::string>;
  // Removes what is neither held nor in the set that `in_use` gives; how many. `in_use` is asked
  // while nothing can be committed, so content that is being stored again is never lost.
  absl::StatusOr<int64_t> Sweep(const std::function<absl::StatusOr<DigestSet>()>& in_use)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  friend class BlobWriter;
  absl::StatusOr<Blob> Place(DurableFile& file, std::string sha256, int64_t size_bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);
  Blob Hold(std::string sha256, int64_t size_bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  void Release(const std::string& sha256) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::filesystem::path folder_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, int> holds_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace derin::server
