#pragma once

#include <string>

#include "absl/status/status.h"
#include "server/metrics/family.h"
#include "server/metrics/gauge.h"
#include "server/metrics/metric_set.h"
#include "server/metrics/monotonic_clock.h"
#include "server/metrics/rate_meter.h"

namespace derin::server {

// Every metric of the server, each declared here and nowhere else. Made first and destroyed last:
// all parts record into it. `all` is what the endpoint serves.
struct ServerMetrics {
  explicit ServerMetrics(const MonotonicClock& clock = SystemMonotonicClock());

  // How long the series of a training job stay once it is over.
  static constexpr absl::Duration kJobSeriesLinger = absl::Minutes(5);
  // The series of `training_job` (its id) leave after kJobSeriesLinger, unless they are set again.
  void TrainingJobIsOver(const std::string& training_job);
  // Counts a call of `method` that ended with `status`.
  void CallIsOver(const std::string& method, const absl::Status& status);

  MetricSet all;

  // Tokens.
  CounterFamily<1> training_tokens{
      all,
      {"derin_training_tokens_total", "Target tokens that training jobs trained on", "tokens"},
      {"model"}};
  CounterFamily<1> prompt_tokens{
      all, {"derin_prompt_tokens_total", "Tokens of prompts absorbed", "tokens"}, {"model"}};
  CounterFamily<1> generated_tokens{
      all, {"derin_generated_tokens_total", "Tokens drawn", "tokens"}, {"model"}};

  // Training. `training_job` is the job's id, `split` is `training` or `validation`, and `state`
  // the state's name in lower case.
  CallbackGauge training_jobs{
      all, {"derin_training_jobs", "Training jobs that are not over", ""}, {"state"}};
  SingleHistogram training_step_seconds{
      all,
      {"derin_training_step_seconds", "Time that one training minibatch took", "seconds"},
      SecondsBuckets()};
  GaugeFamily training_tokens_per_second{
      all,
      {"derin_training_tokens_per_second", "Target tokens a second, over the last few seconds",
       "tokens per second"},
      {"training_job"}};
  GaugeFamily training_perplexity{
      all,
      {"derin_training_perplexity", "Perplexity: of the epoch under way, or of the held-out text",
       ""},
      {"training_job", "split"}};
  GaugeFamily training_progress_ratio{
      all,
      {"derin_training_progress_ratio", "Share of a training job that is done", "ratio"},
      {"training_job"}};
  GaugeFamily training_gradient_norm{
      all,
      {"derin_training_gradient_norm", "Global norm of the last step's gradients before clipping",
       ""},
      {"training_job"}};

  // Generation. `finish_reason` is the reason's name in lower case, or that of the error's code.
  CounterFamily<2> generation_requests{
      all,
      {"derin_generation_requests_total", "Generate calls that ended", ""},
      {"model", "finish_reason"}};
  CallbackGauge generation_active{
      all, {"derin_generation_active", "Generate calls past their first step", ""}};
  CallbackGauge generation_waiting{
      all, {"derin_generation_waiting", "Generate calls that wait for their first step", ""}};
  SingleHistogram time_to_first_token_seconds{
      all,
      {"derin_time_to_first_token_seconds",
       "Time from a Generate request's arrival to its first drawn token", "seconds"},
      SecondsBuckets()};
  SingleHistogram inter_token_seconds{
      all,
      {"derin_inter_token_seconds", "Time from one drawn token of a stream to its next", "seconds"},
      SecondsBuckets()};
  SingleHistogram generation_queue_seconds{
      all,
      {"derin_generation_queue_seconds", "Time from a Generate request's arrival to its first step",
       "seconds"},
      SecondsBuckets()};
  SingleHistogram generation_batch_size{
      all,
      {"derin_generation_batch_size", "Sequences that shared one step", "sequences"},
      SizeBuckets()};
  SingleHistogram generation_step_seconds{
      all,
      {"derin_generation_step_seconds", "Time that one step of a batch took", "seconds"},
      SecondsBuckets()};

  // Sessions, by where their state is: `device`, `host` (in memory) or `disk`.
  CallbackGauge sessions{all, {"derin_sessions", "Open sessions", ""}, {"tier"}};
  // The device's with those of calls without a session; the host's and the disk's with older states
  // that sessions remember, and copies of what is nearer to the device.
  CallbackGauge session_state_bytes{
      all, {"derin_session_state_bytes", "States of sessions", "bytes"}, {"tier"}};
  // `reason` is `device_full`, `host_full` (their states moved on, nothing is lost) or `expired`
  // (they ended).
  CallbackGauge session_evictions{
      all,
      {"derin_session_evictions_total", "Sessions that lost their place", ""},
      {"reason"},
      prometheus::MetricType::Counter};
  // Back onto the device when a call came, from the tier; `result` is `ok` or `failed`.
  CallbackGauge session_restores{
      all,
      {"derin_session_restores_total", "Sessions that came back to the device", ""},
      {"tier", "result"},
      prometheus::MetricType::Counter};

  // Of each caller that the file of tokens names or named; kept over restarts. `kind` of tokens is
  // `prompt`, `generated`, `scored` or `trained`, of seconds `calls` or `training`.
  CallbackGauge usage_tokens{
      all,
      {"derin_usage_tokens_total", "Tokens that the caller had computed", "tokens"},
      {"caller", "kind"},
      prometheus::MetricType::Counter};
  CallbackGauge usage_seconds{
      all,
      {"derin_usage_seconds_total", "Time of the caller's calls and of its trainings", "seconds"},
      {"caller", "kind"},
      prometheus::MetricType::Counter};

  // gRPC. `method` is `Service/Method` without the package, `code` the status's name, such as
  // `NOT_FOUND`.
  CounterFamily<2> grpc_requests{
      all, {"derin_grpc_requests_total", "gRPC calls that ended", ""}, {"method", "code"}};
  // `reason` is that of the error's ErrorInfo, such as `STREAMS_FULL`, or empty.
  CounterFamily<2> grpc_errors{
      all,
      {"derin_grpc_errors_total", "gRPC calls that ended with an error, by its reason", ""},
      {"code", "reason"}};
  HistogramFamily<1> grpc_request_seconds{
      all,
      {"derin_grpc_request_seconds", "Time from a gRPC call's start to its end", "seconds"},
      SecondsBuckets(),
      {"method"}};
  UpDownCounterFamily<1> grpc_in_flight{
      all, {"derin_grpc_in_flight", "gRPC calls under way", ""}, {"method"}};

  // Device and build: always 1, facts in the labels. `kind` of memory is `free` or `total`.
  GaugeFamily device_info{
      all, {"derin_device_info", "What computes", ""}, {"backend", "device", "engine_id"}};
  CallbackGauge device_memory_bytes{
      all, {"derin_device_memory_bytes", "Memory of the device", "bytes"}, {"kind"}};
  CallbackGauge device_lost{
      all, {"derin_device_lost", "1 once the device is of no use to the process any more", ""}};
  // `work` is `training` or `generation`. As the host sees it: from a step's launch to its end,
  // with what the step waits for the other work in between. So both together may be more than the
  // time that has passed.
  TimeCounterFamily<1> device_busy_seconds{
      all,
      {"derin_device_busy_seconds_total", "Time in which steps were under way", "seconds"},
      {"work"}};
  TimeCounter& training_busy = device_busy_seconds.With("training");
  TimeCounter& generation_busy = device_busy_seconds.With("generation");
  // Of the engine for processors, where one operation at a time has all of the workers. Loading a
  // model gives way to generation as training does, and counts as that.
  CallbackGauge device_turn_seconds{all,
                                    {"derin_device_turn_seconds_total",
                                     "Time in which that work had the device to itself", "seconds"},
                                    {"work"},
                                    prometheus::MetricType::Counter};
  // Of a GPU, by NVML: of all that runs on it, other processes among them.
  CallbackGauge device_used_memory_bytes{
      all, {"derin_device_used_memory_bytes", "Memory of the GPU that is in use", "bytes"}};
  CallbackGauge device_utilization_ratio{
      all,
      {"derin_device_utilization_ratio", "Share of the last second in which the GPU worked",
       "ratio"}};
  CallbackGauge device_temperature_celsius{
      all, {"derin_device_temperature_celsius", "Temperature of the GPU", "celsius"}};
  CallbackGauge device_power_watts{
      all, {"derin_device_power_watts", "Electric power that the GPU takes", "watts"}};
  GaugeFamily build_info{all, {"derin_build_info", "Version of the server", ""}, {"version"}};

  // `kind` is `free`, as far as the server may write, or `total`.
  CallbackGauge data_disk_bytes{
      all,
      {"derin_data_disk_bytes", "The file system that has the data directory", "bytes"},
      {"kind"}};

  // The process, under the names that Prometheus's own clients use.
  CallbackGauge process_resident_memory_bytes{
      all, {"process_resident_memory_bytes", "Resident memory", "bytes"}};
  CallbackGauge process_cpu_seconds{
      all,
      {"process_cpu_seconds_total", "User and system time of all threads", "seconds"},
      {},
      prometheus::MetricType::Counter};
  CallbackGauge process_open_fds{all, {"process_open_fds", "Open file descriptors", ""}};
  CallbackGauge process_start_time_seconds{
      all, {"process_start_time_seconds", "Start of the process since 1970", "seconds"}};

  // For GetServerInfo and the status page.
  RateMeter trained_tokens_rate;
  RateMeter prompt_tokens_rate;
  RateMeter generated_tokens_rate;
};

}  // namespace derin::server
