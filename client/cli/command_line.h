#pragma once

#include <string>
#include <vector>

#include "client/cli/console.h"
#include "derin/client/client.h"

namespace derin::cli {

// Exit statuses.
inline constexpr int kSuccess = 0;
// The server refused, is not reachable, or the job did not succeed.
inline constexpr int kRefused = 1;
inline constexpr int kBadUsage = 2;
inline constexpr int kInterrupted = 130;

// Does what `arguments` (without the program's name) ask for and returns the exit status.
// `defaults` say how to reach the server where no flag does.
int RunCommandLine(const std::vector<std::string>& arguments,
                   const client::ConnectOptions& defaults, Console& console);

}  // namespace derin::cli
