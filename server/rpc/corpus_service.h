#pragma once

#include <cstdint>

#include "derin/v1/corpus.grpc.pb.h"
#include "server/rpc/admission.h"
#include "server/storage/blob_store.h"
#include "server/storage/metadata_store.h"
#include "server/storage/upload_store.h"

namespace derin::server {

// Texts: their records in the metadata store, their bytes in the blob store, and in the upload
// store before they are whole. All that it is given outlives it.
class CorpusService final : public v1::CorpusService::CallbackService {
 public:
  // Uploads of more than `max_corpus_bytes` are refused.
  CorpusService(Admission& admission, MetadataStore& store, BlobStore& blobs, UploadStore& uploads,
                int64_t max_corpus_bytes)
      : admission_(admission),
        store_(store),
        blobs_(blobs),
        uploads_(uploads),
        max_corpus_bytes_(max_corpus_bytes) {}

  grpc::ServerReadReactor<v1::UploadCorpusRequest>* UploadCorpus(
      grpc::CallbackServerContext* context, v1::Corpus* response) override;
  grpc::ServerUnaryReactor* GetCorpusUpload(grpc::CallbackServerContext* context,
                                            const v1::GetCorpusUploadRequest* request,
                                            v1::CorpusUpload* response) override;
  grpc::ServerUnaryReactor* GetCorpus(grpc::CallbackServerContext* context,
                                      const v1::GetCorpusRequest* request,
                                      v1::Corpus* response) override;
  grpc::ServerUnaryReactor* ListCorpora(grpc::CallbackServerContext* context,
                                        const v1::ListCorporaRequest* request,
                                        v1::ListCorporaResponse* response) override;
  grpc::ServerUnaryReactor* DeleteCorpus(grpc::CallbackServerContext* context,
                                         const v1::DeleteCorpusRequest* request,
                                         google::protobuf::Empty* response) override;

 private:
  absl::StatusOr<v1::ListCorporaResponse> List(const v1::ListCorporaRequest& request);
  absl::Status Delete(const v1::DeleteCorpusRequest& request);

  Admission& admission_;
  MetadataStore& store_;
  BlobStore& blobs_;
  UploadStore& uploads_;
  const int64_t max_corpus_bytes_;
};

}  // namespace derin::server
