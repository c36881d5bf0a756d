#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "server/rpc/admission.h"
#include "server/rpc/status_mapping.h"

namespace derin::server {

// Answers a call of one request and one reply: admits it as `method` (see Admission::Admit), runs
// `work`, which is absl::StatusOr<Response>(const Caller&), on a thread of its own, and replies
// with what it returned. What it captures has to last until then, as context, request and reply do.
template <typename Response, typename Work>
grpc::ServerUnaryReactor* AnswerUnary(grpc::CallbackServerContext* context, Admission& admission,
                                      std::string_view method, Response* response, Work&& work) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  absl::StatusOr<AdmittedCall> call = admission.Admit(*context, method);
  if (!call.ok()) {
    reactor->Finish(ToGrpcStatus(call.status()));
    return reactor;
  }
  admission.threads().Run(
      [reactor, response, call = *std::move(call), work = std::forward<Work>(work)]() mutable {
        absl::StatusOr<Response> result = work(call.caller());
        if (result.ok()) *response = *std::move(result);
        reactor->Finish(call.End(result.status()));
      });
  return reactor;
}

}  // namespace derin::server
