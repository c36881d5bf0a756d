#pragma once

#include "server/server_options.h"

namespace derin::server {

// What `derind --backup` and `derind --restore` do, with what they say: progress where standard
// error is a terminal, a line of the log at the end. The exit status.
int RunBackupCommand(const CommandLine& line);

}  // namespace derin::server
