#include "server/channelz.h"

#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/grpcpp.h>

#include "absl/strings/str_cat.h"

namespace derin::server {

absl::StatusOr<std::unique_ptr<grpc::Server>> StartChannelz(const ListenAddress& address) {
  if (absl::Status status = CheckCanListen(address); !status.ok()) return status;
  // Before the builder is made, which takes it over.
  grpc::channelz::experimental::InitChannelzService();
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address.ToString(), grpc::InsecureServerCredentials());
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    return absl::UnavailableError(absl::StrCat("cannot serve channelz at ", address.ToString()));
  }
  return server;
}

}  // namespace derin::server
