#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "derin/v1/model.pb.h"
#include "server/generation/generation_engine.h"
#include "server/generation/session_store.h"
#include "server/storage/blob_store.h"
#include "server/storage/metadata_store.h"

namespace derin::server {

// Takes models and versions out of use, out of the store, and their files off the disk. A version
// is gone when the store says so, in one transaction; what a crash leaves undone after that is done
// when the server starts again. All that it is given outlives it.
class ModelDeletion {
 public:
  ModelDeletion(MetadataStore& store, BlobStore& blobs, SessionStore& sessions,
                GenerationEngine& engine)
      : store_(store), blobs_(blobs), sessions_(sessions), engine_(engine) {}

  absl::Status Delete(const v1::DeleteModelRequest& request);
  absl::Status DeleteVersion(const v1::DeleteModelVersionRequest& request);

 private:
  // `remove` takes `versions` out of the store.
  template <typename Remove>
  absl::Status DeleteFrom(absl::Span<const std::string> versions, bool force, Remove remove);

  MetadataStore& store_;
  BlobStore& blobs_;
  SessionStore& sessions_;
  GenerationEngine& engine_;
};

}  // namespace derin::server
