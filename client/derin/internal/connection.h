#pragma once

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "derin/client/cancellation.h"
#include "derin/client/client.h"
#include "derin/internal/grpc_status.h"
#include "derin/internal/request_check.h"
#include "derin/v1/corpus.grpc.pb.h"
#include "derin/v1/generation.grpc.pb.h"
#include "derin/v1/model.grpc.pb.h"
#include "derin/v1/server.grpc.pb.h"
#include "derin/v1/training.grpc.pb.h"

namespace derin::client::internal {

// One channel to one server and a stub for each of its services.
class Connection {
 public:
  // Waits until the server has answered, or says that it does not.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const ConnectOptions& options);

  const std::string& address() const { return options_.address; }
  derin::v1::CorpusService::Stub& corpora() { return *corpora_; }
  derin::v1::ModelService::Stub& models() { return *models_; }
  derin::v1::TrainingService::Stub& training() { return *training_; }
  derin::v1::GenerationService::Stub& generation() { return *generation_; }
  derin::v1::ServerService::Stub& server() { return *server_; }

  // Waits for `timeout`, or less when a broken connection is there again. False when `cancellation`
  // (may be null) was cancelled meanwhile.
  bool AwaitReconnection(absl::Duration timeout, const Cancellation* cancellation);

  absl::Status ToStatus(const grpc::Status& status) const { return FromGrpc(status, address()); }

  // One call that does not stream, under the connection's deadline.
  template <typename Stub, typename Request, typename Reply>
  absl::StatusOr<Reply> Call(Stub& stub,
                             grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                          Reply*),
                             const Request& request) {
    return Call(stub, method, request, options_.call_timeout);
  }
  // The same under a deadline of its own.
  template <typename Stub, typename Request, typename Reply>
  absl::StatusOr<Reply> Call(Stub& stub,
                             grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                          Reply*),
                             const Request& request, absl::Duration timeout) {
    absl::Status valid = CheckUtf8(request);
    if (!valid.ok()) return valid;
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    Reply reply;
    absl::Status status = ToStatus((stub.*method)(&context, request, &reply));
    if (!status.ok()) return status;
    return reply;
  }

 private:
  Connection(const ConnectOptions& options, const std::shared_ptr<grpc::Channel>& channel);

  const ConnectOptions options_;
  const std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<derin::v1::CorpusService::Stub> corpora_;
  std::unique_ptr<derin::v1::ModelService::Stub> models_;
  std::unique_ptr<derin::v1::TrainingService::Stub> training_;
  std::unique_ptr<derin::v1::GenerationService::Stub> generation_;
  std::unique_ptr<derin::v1::ServerService::Stub> server_;
};

// How a call ends that its caller did not want to the end.
inline absl::Status StoppedByCaller() { return absl::CancelledError("stopped by the caller"); }

// Hands each response to handle(response) until the stream ends or handle is false, which ends the
// call; with what it ended.
template <typename Response, typename Handle>
grpc::Status ReadAll(grpc::ClientContext& context, grpc::ClientReader<Response>& reader,
                     const Handle& handle) {
  Response response;
  bool wanted = true;
  while (wanted && reader.Read(&response)) wanted = handle(response);
  if (!wanted) context.TryCancel();
  return reader.Finish();
}

// Opens a broken stream again: some times in a row, each after twice the wait.
class Reconnections {
 public:
  // `cancellation` may be null.
  Reconnections(Connection& connection, int tries, absl::Duration wait,
                const Cancellation* cancellation)
      : connection_(connection), tries_(tries), wait_(wait), cancellation_(cancellation) {}

  // The stream is good. Before that there are no tries, and after it all of them.
  void Received() {
    left_ = tries_;
    next_wait_ = wait_;
  }
  bool left() const { return left_ > 0; }
  // Waits before one more try. False when the caller has cancelled meanwhile.
  bool Await() {
    --left_;
    const absl::Duration wait = next_wait_;
    next_wait_ = std::min(2 * wait, kLongestWait);
    return connection_.AwaitReconnection(wait, cancellation_);
  }

 private:
  static constexpr absl::Duration kLongestWait = absl::Seconds(2);

  Connection& connection_;
  const int tries_;
  const absl::Duration wait_;
  const Cancellation* const cancellation_;
  int left_ = 0;
  absl::Duration next_wait_;
};

// Cancels `context` when `cancellation` (may be null) is cancelled, as long as this lives. Declare
// it after the context.
class CancellationScope {
 public:
  CancellationScope(Cancellation* cancellation, grpc::ClientContext& context)
      : cancellation_(cancellation) {
    if (cancellation_ == nullptr) return;
    key_ = cancellation_->Add([&context] { context.TryCancel(); });
  }
  ~CancellationScope() {
    if (cancellation_ != nullptr) cancellation_->Remove(key_);
  }
  CancellationScope(const CancellationScope&) = delete;
  CancellationScope& operator=(const CancellationScope&) = delete;

 private:
  Cancellation* cancellation_;
  int64_t key_ = 0;
};

}  // namespace derin::client::internal
