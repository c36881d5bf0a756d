#include "server/rpc/export_reactor.h"

#include <utility>

namespace derin::server {

ExportReactor::ExportReactor(AdmittedCall call, v1::ModelVersion version, BlobReader file)
    : call_(std::move(call)), file_(std::move(file)) {
  *response_.mutable_model_version() = std::move(version);
  StartWrite(&response_);
}

void ExportReactor::OnWriteDone(bool ok) {
  if (!ok) return Finish(call_.End(absl::CancelledError("the caller went away")));
  absl::StatusOr<std::string> chunk = file_.Next(kChunkBytes);
  if (!chunk.ok() || chunk->empty()) return Finish(call_.End(chunk.status()));
  response_.clear_model_version();
  response_.set_chunk(*std::move(chunk));
  StartWrite(&response_);
}

}  // namespace derin::server
