#include "server/metrics/server_metrics.h"

#include "server/metrics/process_figures.h"
#include "server/status/error.h"

namespace derin::server {

ServerMetrics::ServerMetrics(const MonotonicClock& clock)
    : all(clock),
      trained_tokens_rate(clock),
      prompt_tokens_rate(clock),
      generated_tokens_rate(clock) {
  process_resident_memory_bytes.BindValue(ProcessResidentMemoryBytes);
  process_cpu_seconds.BindValue(ProcessCpuSeconds);
  process_open_fds.BindValue(ProcessOpenFileDescriptors);
  process_start_time_seconds.BindValue(ProcessStartTimeSeconds);
}

void ServerMetrics::TrainingJobIsOver(const std::string& training_job) {
  for (GaugeFamily* gauge : {&training_tokens_per_second, &training_perplexity,
                             &training_progress_ratio, &training_gradient_norm}) {
    gauge->RemoveAfter(training_job, kJobSeriesLinger);
  }
}

void ServerMetrics::CallIsOver(const std::string& method, const absl::Status& status) {
  const std::string code = absl::StatusCodeToString(status.code());
  grpc_requests.With(method, code).Add();
  if (!status.ok()) grpc_errors.With(code, ErrorReason(status)).Add();
}

}  // namespace derin::server
