#pragma once

#include <functional>

#include "server/metrics/metrics_endpoint.h"
#include "server/status_page/figures_reader.h"
#include "server/status_page/page_access.h"

namespace derin::server {

// The status page for those who may see it. `draining` says whether the server is; what it and
// `sources` refer to outlives the endpoint.
FrontPage MakeFrontPage(const PageAccess& access, const FigureSources& sources,
                        std::function<bool()> draining);

}  // namespace derin::server
