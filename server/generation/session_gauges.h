#pragma once

#include "server/generation/session_store.h"
#include "server/metrics/server_metrics.h"

namespace derin::server {

// What `metrics` say of sessions comes from `sessions` from here on, which outlives the last
// scrape.
void BindSessionGauges(ServerMetrics& metrics, const SessionStore& sessions);

}  // namespace derin::server
