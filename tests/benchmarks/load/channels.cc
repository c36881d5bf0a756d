#include "tests/benchmarks/load/channels.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace derin {

std::vector<std::shared_ptr<grpc::Channel>> OpenChannels(const std::string& server, int count) {
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < count; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    channels.push_back(
        grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(), arguments));
  }
  return channels;
}

bool AwaitConnected(const std::vector<std::shared_ptr<grpc::Channel>>& channels,
                    absl::Duration timeout) {
  const auto deadline = absl::ToChronoTime(absl::Now() + timeout);
  for (const auto& channel : channels) {
    if (!channel->WaitForConnected(deadline)) return false;
  }
  return true;
}

std::string ErrorName(const grpc::Status& status) {
  if (status.ok()) return {};
  std::string name = absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code()));
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  if (!details.ParseFromString(status.error_details())) return name;
  for (const google::protobuf::Any& detail : details.details()) {
    if (detail.UnpackTo(&info)) absl::StrAppend(&name, " ", info.reason());
  }
  return name;
}

}  // namespace derin
