#pragma once

#include <string>

#include "absl/status/status.h"
#include "derin/client/client.h"

// What a command says when a name does not exist: the error as it is, and when it is NOT_FOUND the
// nearest name there is. The names are asked for only then; failing at that changes nothing.
namespace derin::cli {

absl::Status WithNearestCorpus(const absl::Status& status, const std::string& name,
                               client::Client& client);
absl::Status WithNearestModel(const absl::Status& status, const std::string& name,
                              client::Client& client);
absl::Status WithNearestJob(const absl::Status& status, const std::string& name,
                            client::Client& client);

}  // namespace derin::cli
