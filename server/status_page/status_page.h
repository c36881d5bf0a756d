#pragma once

#include <string>

#include "server/status_page/status_figures.h"

namespace derin::server {

// The whole page as one HTML document that needs nothing else: no script, no other file. Browsers
// ask for it again every five seconds.
std::string StatusPage(const StatusFigures& figures);

}  // namespace derin::server
