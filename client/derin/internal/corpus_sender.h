#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "derin/client/byte_source.h"
#include "derin/client/cancellation.h"
#include "derin/client/corpus.h"
#include "derin/internal/connection.h"

namespace derin::client::internal {

// What was sent of a source and may have to be sent again: the chunks behind what the server has on
// its disk.
class SentBytes {
 public:
  // The next bytes of the source.
  void Add(std::string chunk);
  // The server has the first `bytes` of the source for good.
  void DropBefore(int64_t bytes);
  // Empty at the end; else never empty, of one chunk. `offset` is in [begin, end].
  std::string_view From(int64_t offset) const;

  int64_t begin() const { return begin_; }
  int64_t end() const { return end_; }

 private:
  std::deque<std::string> chunks_;
  int64_t begin_ = 0;  // where the first chunk begins in the source
  int64_t end_ = 0;
};

// One upload of a corpus, over as many calls as it takes. Holds some 16 MiB of the source, whatever
// that is.
class CorpusSender {
 public:
  // All but `options` outlive it.
  CorpusSender(Connection& connection, const UploadCorpusOptions& options,
               const std::vector<DocumentSource>& documents, const UploadCorpusCallbacks& callbacks,
               Cancellation* cancellation);

  // Once.
  absl::StatusOr<derin::v1::Corpus> Run();

 private:
  // Where an upload with the caller's own id stands, and the source with it.
  absl::Status SkipCommitted();
  // One call, from `offset_`.
  absl::StatusOr<derin::v1::Corpus> Send();
  // The next bytes behind `offset_`; empty at the source's end.
  absl::StatusOr<std::string_view> Next();
  // The name of the document that begins at `offset_`; null where none does.
  const std::string* DocumentHere() const;
  // Asks for what is committed; false when it is to be asked again.
  absl::StatusOr<bool> Locate();
  absl::StatusOr<derin::v1::CorpusUpload> Ask();
  bool cancelled() const { return cancellation_ != nullptr && cancellation_->cancelled(); }
  void Tell();

  Connection& connection_;
  UploadCorpusOptions options_;
  const std::vector<DocumentSource>& documents_;
  std::vector<int64_t> begins_;  // of those that are read or were
  const UploadCorpusCallbacks& callbacks_;
  Cancellation* const cancellation_;
  Reconnections reconnections_;
  SentBytes sent_;
  int64_t offset_ = 0;  // of the next byte to send
  int64_t told_ = 0;
  bool source_failed_ = false;
  std::optional<derin::v1::Corpus> corpus_;  // an earlier call has ended well
};

}  // namespace derin::client::internal
