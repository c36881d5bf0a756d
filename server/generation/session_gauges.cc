#include "server/generation/session_gauges.h"

#include <vector>

namespace derin::server {

void BindSessionGauges(ServerMetrics& metrics, const SessionStore& sessions) {
  using Samples = std::vector<CallbackGauge::Sample>;
  metrics.sessions.Bind([&sessions] {
    const SessionStore::Counts counts = sessions.counts();
    const int64_t on_disk = counts.sessions - counts.on_device - counts.in_memory;
    return Samples{{{"device"}, static_cast<double>(counts.on_device)},
                   {{"host"}, static_cast<double>(counts.in_memory)},
                   {{"disk"}, static_cast<double>(on_disk)}};
  });
  metrics.session_state_bytes.Bind([&sessions] {
    const SessionStore::Counts counts = sessions.counts();
    return Samples{{{"device"}, static_cast<double>(counts.device_bytes)},
                   {{"host"}, static_cast<double>(counts.host_bytes)},
                   {{"disk"}, static_cast<double>(counts.disk_bytes)}};
  });
  metrics.session_evictions.Bind([&sessions] {
    const SessionStore::Counts counts = sessions.counts();
    return Samples{{{"device_full"}, static_cast<double>(counts.left_device)},
                   {{"host_full"}, static_cast<double>(counts.left_memory)},
                   {{"expired"}, static_cast<double>(counts.expired)}};
  });
  metrics.session_restores.Bind([&sessions] {
    const SessionStore::Counts counts = sessions.counts();
    return Samples{{{"host", "ok"}, static_cast<double>(counts.from_memory)},
                   {{"disk", "ok"}, static_cast<double>(counts.from_disk)},
                   {{"disk", "failed"}, static_cast<double>(counts.failed_to_restore)}};
  });
}

}  // namespace derin::server
