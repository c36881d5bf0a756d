#pragma once

#include <grpcpp/security/auth_metadata_processor.h>

#include "server/logging/call_log.h"
#include "server/metrics/server_metrics.h"
#include "server/security/callers.h"

namespace derin::server {

// Refuses calls before anything of their messages is read, reflection and methods that the server
// lacks among them. Admission asks the same Callers again, for the caller's name and limits.
//
// gRPC 1.51 sends no more of a refusal than its code and message: its filter drops the response's
// metadata, the trailers are made of the two, and interceptors never see the call. So these have no
// google.rpc details. Admission, whose refusals do, comes after the message of a unary call was
// read, which is too late for a stranger's.
//
// gRPC 1.51 aborts the process when one is given to insecure credentials: without TLS it goes with
// LocalServerCredentials, which look the same on the wire and take connections of this machine
// only.
class TokenProcessor final : public grpc::AuthMetadataProcessor {
 public:
  // All outlive it. Refused calls are counted and logged.
  TokenProcessor(const Callers& callers, ServerMetrics& metrics, CallLog& log)
      : callers_(callers), metrics_(metrics), log_(log) {}

  // Nothing here waits.
  bool IsBlocking() const override { return false; }
  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* context,
                       OutputMetadata* consumed, OutputMetadata* response) override;

 private:
  const Callers& callers_;
  ServerMetrics& metrics_;
  CallLog& log_;
};

}  // namespace derin::server
