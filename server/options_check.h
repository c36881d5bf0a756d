#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/listen_address.h"
#include "server/security/tls.h"
#include "server/server_options.h"

namespace derin::server {

// Where a server listens.
struct Addresses {
  ListenAddress grpc;
  std::optional<ListenAddress> metrics;
  std::optional<ListenAddress> channelz;
};

// `status` with the flag that it is about in front: an address may be that of several.
absl::Status OfFlag(std::string_view flag, const absl::Status& status);

TlsFiles TlsFilesOf(const ServerOptions& options);

// Refuses what is no address, files of TLS that do not fit, and an address that other machines
// reach, unless callers are told apart and nobody listens in, or that was asked for.
absl::StatusOr<Addresses> CheckAddresses(const ServerOptions& options);

// All that can be seen to be wrong with the options without starting anything or changing a file,
// one sentence each; empty: nothing. A GPU that they ask for by its name is opened and given back.
// That another server has the ports or the data is not wrong: what is checked may take its place.
std::vector<std::string> FaultsOf(const CommandLine& line);

// What a server with these options, which have no faults, would be, for people: some lines.
std::string SummaryOf(const CommandLine& line);

}  // namespace derin::server
