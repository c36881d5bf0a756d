#pragma once

#include <string>
#include <vector>

#include "client/cli/console.h"

namespace derin::cli {

// Exit statuses.
inline constexpr int kSuccess = 0;
// The server refused, is not reachable, or the job did not succeed.
inline constexpr int kRefused = 1;
inline constexpr int kBadUsage = 2;
inline constexpr int kInterrupted = 130;

// Does what `arguments` (without the program's name) ask for and returns the exit status.
// `default_server` is used unless --server is given.
int RunCommandLine(const std::vector<std::string>& arguments, const std::string& default_server,
                   Console& console);

}  // namespace derin::cli
