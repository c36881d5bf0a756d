#pragma once

#include <grpcpp/support/server_callback.h>

#include "derin/v1/model.pb.h"
#include "server/rpc/admission.h"
#include "server/storage/blob_store.h"

namespace derin::server {

// The file of a model version on its way to one client, one piece in memory at a time. It destroys
// itself after the last message.
class ExportReactor final : public grpc::ServerWriteReactor<v1::ExportModelResponse> {
 public:
  static constexpr size_t kChunkBytes = size_t{256} << 10;

  ExportReactor(AdmittedCall call, v1::ModelVersion version, BlobReader file);

  void OnWriteDone(bool ok) override;
  void OnDone() override { delete this; }

 private:
  AdmittedCall call_;
  BlobReader file_;
  v1::ExportModelResponse response_;
};

}  // namespace derin::server
