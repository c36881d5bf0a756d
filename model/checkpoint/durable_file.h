#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace derin {

// A file that appears whole or not at all: written beside its place, synced, renamed, and the
// folder synced. Without Commit nothing is left behind. Its owner alone may read it.
class DurableFile {
 public:
  // Creates `path`.partial-XXXXXX, so two writers never meet. Errors as Append.
  static absl::StatusOr<DurableFile> Create(const std::filesystem::path& path);
  DurableFile(DurableFile&& other) noexcept;
  DurableFile& operator=(DurableFile&& other) noexcept;
  ~DurableFile();

  // RESOURCE_EXHAUSTED when the disk is full, INTERNAL with the system's words otherwise.
  absl::Status Append(std::string_view bytes);
  // Puts the file in its place, over an older one, or at `path` when its name is known only now
  // (same folder). Once, as the last call. When only the folder cannot be synced, that is an error
  // too, but the file is there.
  absl::Status Commit();
  absl::Status CommitAs(const std::filesystem::path& path);

 private:
  DurableFile(std::filesystem::path path, std::filesystem::path partial, int descriptor);
  void Discard();

  std::filesystem::path path_;
  std::filesystem::path partial_;  // empty once committed
  int descriptor_ = -1;
};

// Create, Append and Commit in one.
absl::Status WriteDurably(const std::filesystem::path& path, std::string_view bytes);

// NOT_FOUND when there is none; UNAVAILABLE with the system's words when it cannot be read.
absl::StatusOr<std::string> ReadWholeFile(const std::filesystem::path& path);

}  // namespace derin
