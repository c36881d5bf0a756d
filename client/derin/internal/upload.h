#pragma once

#include <grpcpp/grpcpp.h>

#include <string>

#include "absl/status/status.h"
#include "derin/client/byte_source.h"
#include "derin/internal/connection.h"

namespace derin::client::internal {

// Sends `first`, and then all of `source` as the chunks of further messages, on the stream that
// `open(context, reply)` opens; the server's reply. Errors are the source's own, or the call's.
template <typename Request, typename Reply, typename Open>
absl::StatusOr<Reply> Upload(const Connection& connection, const Request& first,
                             const ByteSource& source, Cancellation* cancellation, Open open) {
  // A quarter of what one message may hold: large enough to be quick, small beside a stream's
  // window.
  constexpr size_t kChunkBytes = size_t{256} << 10;
  absl::Status valid = CheckUtf8(first);
  if (!valid.ok()) return valid;

  grpc::ClientContext context;
  const CancellationScope scope(cancellation, context);
  Reply reply;
  const std::unique_ptr<grpc::ClientWriter<Request>> writer = open(&context, &reply);
  absl::Status read;
  // Until the source ends or the server has stopped reading; its status says why.
  for (bool more = writer->Write(first); more;) {
    Request request;
    std::string& chunk = *request.mutable_chunk();
    chunk.resize(kChunkBytes);
    const absl::StatusOr<size_t> count = source(absl::MakeSpan(&chunk[0], chunk.size()));
    if (!count.ok()) read = count.status();
    if (!count.ok() || *count == 0) break;
    chunk.resize(*count);
    more = writer->Write(request);
  }
  if (read.ok()) {
    writer->WritesDone();
  } else {
    context.TryCancel();
  }
  absl::Status status = connection.ToStatus(writer->Finish());
  if (!read.ok()) return read;
  if (!status.ok() && cancellation != nullptr && cancellation->cancelled()) {
    return StoppedByCaller();
  }
  if (!status.ok()) return status;
  return reply;
}

}  // namespace derin::client::internal
