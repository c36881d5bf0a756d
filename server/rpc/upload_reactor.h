#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/rpc/admission.h"
#include "server/rpc/status_mapping.h"
#include "server/status/error.h"
#include "server/storage/byte_quota.h"

namespace derin::server {

// A call that brings bytes and answers with what they became: a header, then chunks. Reads one
// message after the other, and takes each on a handler's thread; deletes itself when the call is
// over.
//
// `Request` has a oneof `part` of `header` and `chunk`; `Upload` has Append(chunk) and
// size_bytes(), what would be stored of it so far. Where it keeps something beyond the call, it has
// Forget().
template <typename Request, typename Response, typename Upload>
class UploadReactor final : public grpc::ServerReadReactor<Request> {
 public:
  struct Steps {
    // `quota` is the caller's.
    std::function<absl::StatusOr<Upload>(const Request& first, const ByteQuota& quota)> begin;
    std::function<absl::StatusOr<Response>(Upload& upload, const ByteQuota& quota)> finish;
    // What a caller has stored already, without `upload`.
    std::function<absl::StatusOr<int64_t>(const Upload& upload, std::string_view caller)>
        stored_bytes;
  };

  // Admits the call as `method` (see Admission::Admit).
  UploadReactor(Admission& admission, const grpc::CallbackServerContext& context,
                std::string_view method, Response& response, Steps steps)
      : threads_(admission.threads()), response_(response), steps_(std::move(steps)) {
    absl::StatusOr<AdmittedCall> call = admission.Admit(context, method);
    if (!call.ok()) {
      this->Finish(ToGrpcStatus(call.status()));
      return;
    }
    call_ = *std::move(call);
    quota_ = {call_->caller().name, call_->caller().limits.bytes_stored};
    this->StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      // The client has sent all, or is gone: only what goes the other way now can tell. Without
      // this, bytes that were cut short would be stored as if they were whole.
      this->StartSendInitialMetadata();
      return;
    }
    threads_.Run([this] {
      if (absl::Status status = Take(request_); !status.ok()) return End(status);
      this->StartRead(&request_);
    });
  }

  void OnSendInitialMetadataDone(bool ok) override {
    threads_.Run([this, ok] {
      End(ok ? Store() : absl::CancelledError("the caller went away before all was sent"));
    });
  }

  void OnDone() override { delete this; }

 private:
  absl::Status Take(const Request& request) {
    switch (request.part_case()) {
      case Request::kHeader: {
        if (upload_.has_value()) return InvalidField("header", "got a second one, wanted a chunk");
        absl::StatusOr<Upload> upload = steps_.begin(request, quota_);
        if (!upload.ok()) return upload.status();
        upload_.emplace(*std::move(upload));
        return CountStored();
      }
      case Request::kChunk:
        if (!upload_.has_value()) return MissingHeader();
        return Append(request.chunk());
      default:
        break;
    }
    // Parts that only some requests have.
    if constexpr (requires { request.document(); }) {
      if (request.has_document()) {
        return upload_.has_value() ? upload_->StartDocument(request.document().name())
                                   : MissingHeader();
      }
    }
    return InvalidField("part", "got a message with neither header nor chunk");
  }

  absl::Status CountStored() {
    if (!quota_.max_bytes.has_value()) return absl::OkStatus();
    const absl::StatusOr<int64_t> stored = steps_.stored_bytes(*upload_, quota_.owner);
    if (stored.ok()) stored_bytes_ = *stored;
    return stored.status();
  }

  // Too much is refused as it arrives; whoever stores it looks again, since others upload too.
  absl::Status Append(std::string_view chunk) {
    if (absl::Status appended = upload_->Append(chunk); !appended.ok()) return appended;
    absl::Status room = CheckRoom(quota_, stored_bytes_, upload_->size_bytes());
    if constexpr (requires(Upload upload) { upload.Forget(); }) {
      if (!room.ok()) upload_->Forget();
    }
    return room;
  }

  absl::Status Store() {
    if (!upload_.has_value()) return MissingHeader();
    absl::StatusOr<Response> stored = steps_.finish(*upload_, quota_);
    if (!stored.ok()) return stored.status();
    response_ = *std::move(stored);
    return absl::OkStatus();
  }

  static absl::Status MissingHeader() {
    return InvalidField("header", "got none, wanted it as the first message");
  }

  void End(const absl::Status& status) {
    // What was written goes, or is kept for another call, before the client hears of it.
    upload_.reset();
    this->Finish(call_->End(status));
  }

  HandlerThreads& threads_;
  Response& response_;
  const Steps steps_;
  std::optional<AdmittedCall> call_;
  ByteQuota quota_;
  int64_t stored_bytes_ = 0;
  std::optional<Upload> upload_;
  Request request_;
};

}  // namespace derin::server
