#include "derin/internal/connection.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "derin/internal/channel_credentials.h"
#include "derin/internal/retry_policy.h"

namespace derin::client::internal {
namespace {

grpc::ChannelArguments ChannelSettings() {
  grpc::ChannelArguments arguments;
  // gRPC would take http_proxy from the environment, for 127.0.0.1 too.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // A watch that reconnects should find a server that is back within a second or two.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  // A watch of a job that waits hears nothing for hours: find out when the server's machine is
  // gone. Servers end connections that ping more often than every five minutes.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 330'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetServiceConfigJSON(kRetryPolicy);
  return arguments;
}

// Why no channel with these credentials comes about: a call that is not tried again ends at once
// with the cause. OK when it works after all.
absl::Status CauseOfFailure(const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                            const ConnectOptions& options) {
  grpc::ChannelArguments arguments = ChannelSettings();
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  const auto channel = grpc::CreateCustomChannel(options.address, credentials, arguments);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + options.connect_timeout));
  derin::v1::ServerInfo info;
  return FromGrpc(derin::v1::ServerService::NewStub(channel)->GetServerInfo(
                      &context, derin::v1::GetServerInfoRequest(), &info),
                  options.address);
}

// READY, or why not. A fresh channel goes IDLE -> CONNECTING -> READY or TRANSIENT_FAILURE.
absl::Status AwaitReady(const std::shared_ptr<grpc::Channel>& channel,
                        const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                        const ConnectOptions& options) {
  const auto deadline = absl::ToChronoTime(absl::Now() + options.connect_timeout);
  while (true) {
    const grpc_connectivity_state state = channel->GetState(/*try_to_connect=*/true);
    if (state == GRPC_CHANNEL_READY) return absl::OkStatus();
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE || state == GRPC_CHANNEL_SHUTDOWN) {
      return CauseOfFailure(credentials, options);
    }
    if (!channel->WaitForStateChange(state, deadline)) {
      return Unreachable(options.address,
                         absl::StrCat("waited ", absl::FormatDuration(options.connect_timeout)));
    }
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const ConnectOptions& options) {
  absl::Status valid = CheckAddress(options.address);
  if (!valid.ok()) return valid;
  const auto credentials = NewChannelCredentials(options);
  if (!credentials.ok()) return credentials.status();
  const std::shared_ptr<grpc::Channel> channel =
      grpc::CreateCustomChannel(options.address, *credentials, ChannelSettings());
  absl::Status ready = AwaitReady(channel, *credentials, options);
  if (!ready.ok()) return ready;
  return std::unique_ptr<Connection>(new Connection(options, channel));
}

bool Connection::AwaitReconnection(absl::Duration timeout, const Cancellation* cancellation) {
  const Cancellation never;
  const Cancellation& watched = cancellation != nullptr ? *cancellation : never;
  grpc_connectivity_state state = channel_->GetState(/*try_to_connect=*/true);
  // The connection is whole: its server refuses, and wants the time.
  if (state == GRPC_CHANNEL_READY) return !watched.Wait(timeout);

  // Nothing moves in gRPC 1.51 while no thread waits in it: a channel without a call looks at its
  // sockets every 5 s only. So this waits there, and looks for a cancellation in between.
  constexpr absl::Duration kLook = absl::Milliseconds(100);
  const absl::Time deadline = absl::Now() + timeout;
  while (state != GRPC_CHANNEL_READY && absl::Now() < deadline) {
    if (watched.cancelled()) return false;
    const absl::Time next = std::min(deadline, absl::Now() + kLook);
    channel_->WaitForStateChange(state, absl::ToChronoTime(next));
    state = channel_->GetState(/*try_to_connect=*/true);
  }
  return !watched.cancelled();
}

Connection::Connection(const ConnectOptions& options, const std::shared_ptr<grpc::Channel>& channel)
    : options_(options),
      channel_(channel),
      corpora_(derin::v1::CorpusService::NewStub(channel)),
      models_(derin::v1::ModelService::NewStub(channel)),
      training_(derin::v1::TrainingService::NewStub(channel)),
      generation_(derin::v1::GenerationService::NewStub(channel)),
      server_(derin::v1::ServerService::NewStub(channel)) {}

}  // namespace derin::client::internal
