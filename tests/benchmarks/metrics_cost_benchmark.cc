// What the metrics of generation cost, as a share of the steps that they are of: recorded as the
// generation engine does, a call at a time, and beside steps of the recipe's model without them.

#include <algorithm>
#include <cstdio>
#include <functional>
#include <vector>

#include "absl/time/clock.h"
#include "server/metrics/server_metrics.h"
#include "tests/benchmarks/work.h"

namespace derin::server {
namespace {

// Of one step, the only one of its trip: what comes once a trip counts wholly.
void RecordStep(ServerMetrics& metrics, int batch) {
  const absl::Duration step = absl::Microseconds(100);
  metrics.generation_busy.Add(step);
  for (int i = 0; i < batch; ++i) metrics.inter_token_seconds.Record(step);
  metrics.generation_step_seconds.Record(step);
  metrics.generation_batch_size.Record(static_cast<double>(batch));
  metrics.generated_tokens.With("model").Add(batch);
  metrics.prompt_tokens.With("model").Add(0);
  metrics.generated_tokens_rate.Add(batch);
}

// Of one of many calls, the median of several rounds.
absl::Duration TimeOf(int calls, const std::function<void()>& call) {
  std::vector<absl::Duration> rounds;
  for (int round = 0; round < 7; ++round) {
    const absl::Time start = absl::Now();
    for (int i = 0; i < calls; ++i) call();
    rounds.push_back((absl::Now() - start) / calls);
  }
  std::nth_element(rounds.begin(), rounds.begin() + 3, rounds.end());
  return rounds[3];
}

int Main() {
  ServerMetrics metrics;
  for (const int batch : {1, 8, 64, 256}) {
    const WorkShape shape{.model = {.layers = 2, .hidden = 256, .vocabulary = 28}, .batch = batch};
    const std::unique_ptr<Backend> backend = BackendFor(shape);
    const auto work = NewGenerationWork(*backend, shape);
    if (!work.ok()) {
      std::fprintf(stderr, "%s\n", work.status().ToString().c_str());
      return 1;
    }
    absl::Status status;
    const absl::Duration step =
        TimeOf(std::max(20, 1000 / batch), [&] { status.Update((*work)->Run()); });
    if (!status.ok()) {
      std::fprintf(stderr, "%s\n", status.ToString().c_str());
      return 1;
    }
    const absl::Duration recording = TimeOf(1000, [&] { RecordStep(metrics, batch); });
    std::printf("batch %3d: a step %8.1f us, its metrics %6.2f us: %.2f %%\n", batch,
                absl::ToDoubleMicroseconds(step), absl::ToDoubleMicroseconds(recording),
                100 * absl::FDivDuration(recording, step));
  }
  return 0;
}

}  // namespace
}  // namespace derin::server

int main() { return derin::server::Main(); }
