#include "model/backend/cpu/cpu_head.h"

#include <algorithm>
#include <cmath>

#include "model/backend/cpu/flush_denormals.h"
#include "model/backend/cpu/gate_panels.h"
#include "model/sampling/sampler_arithmetic.h"

namespace derin::cpu {
namespace {

// Below so many flops an operation is quicker on the calling thread alone.
constexpr double kFlopsWorthSharing = 200e3;
// Elements of the gradient of the logits that are in scratch at a time, in whole rows.
constexpr int64_t kScratchElements = int64_t{4} << 20;
// Rows and vocabulary of a task.
constexpr int64_t kTaskRows = 16, kTaskVocabulary = 512;

// The sizes of a head, and what its tasks read and write.
struct Head {
  Head(View top, const HeadViews& head)
      : V(static_cast<int64_t>(head.bias.count)),
        H(static_cast<int64_t>(head.weight.count) / V),
        rows(static_cast<int64_t>(top.count) / H),
        top(top.As<float>()),
        weight(head.weight.As<float>()),
        bias(head.bias.As<float>()) {}

  const int64_t V, H, rows;
  const float* const top;     // [rows, H]
  const float* const weight;  // [V, H]
  const float* const bias;    // [V]
};

// How many rows of logits the loss has at a time, and how long a row of them is.
struct LossBlock {
  LossBlock(int64_t all_rows, int64_t V)
      : rows(std::min(all_rows, std::max(kScratchElements / RoundUp(V, kLanes), kTaskRows))),
        row(RoundUp(V, kLanes)) {}

  int64_t rows, row;
};

// What a worker that samples takes.
int64_t SampleElements(int64_t V) { return RoundUp(2 * V, kLanes); }

// logits[r][v] for `rows` rows from `first` on, `logits_row` apart.
void LogitsOfRows(Turn& turn, const Kernels& kernels, const Head& head, int64_t first, int64_t rows,
                  float* logits, int64_t logits_row) {
  const int64_t blocks = CeilDivide(head.V, kTaskVocabulary);
  const auto task_logits = [&](int64_t row, int64_t row_count, int64_t v, int64_t v_count) {
    kernels.logits({.top = head.top + (first + row) * head.H,
                    .weight = head.weight + v * head.H,
                    .bias = head.bias + v,
                    .logits = logits + row * logits_row + v,
                    .logits_row = logits_row,
                    .rows = row_count,
                    .hidden = head.H,
                    .vocabulary = v_count});
  };
  const double flops = 2.0 * head.H * head.V * rows;
  if (flops < kFlopsWorthSharing) {
    const FlushDenormals flush;
    return task_logits(0, rows, 0, head.V);
  }
  const int64_t tasks = CeilDivide(rows, kTaskRows) * blocks;
  turn.ForEach(tasks, flops / tasks, [&](int64_t task, int) {
    const int64_t row = task / blocks * kTaskRows, v = task % blocks * kTaskVocabulary;
    task_logits(row, std::min(kTaskRows, rows - row), v, std::min(kTaskVocabulary, head.V - v));
  });
}

// Cross-entropy in nats of the row's logits against `target`; turns them into d(mean
// loss)/d(logits).
double LossOfRow(const Kernels& kernels, float* logits, int64_t V, int32_t target, double counted) {
  if (target < 0) {
    std::fill_n(logits, V, 0.0f);
    return 0;
  }
  const float of_target = logits[target];
  const SoftmaxSum softmax = kernels.exponentials(logits, V);
  const auto scale = static_cast<float>(1 / (softmax.sum * counted));
  for (int64_t v = 0; v < V; ++v) logits[v] *= scale;
  logits[target] -= static_cast<float>(1 / counted);
  return std::log(softmax.sum) -
         (static_cast<double>(of_target) - static_cast<double>(softmax.highest));
}

// d_top = d_logits W for `rows` rows.
void TopGradient(Turn& turn, const Kernels& kernels, const Head& head, const float* d_logits,
                 int64_t d_row, int64_t rows, float* d_top) {
  const int64_t panels = CeilDivide(head.H, kPanelColumns);
  // Fewer rows of a long product, so that a task stays short.
  const int64_t task_rows = std::clamp<int64_t>((1 << 18) / head.V, 6, 48);
  const int64_t blocks = CeilDivide(rows, task_rows);
  turn.ForEach(panels * blocks, 2.0 * task_rows * head.V * kPanelColumns, [&](int64_t task, int) {
    const int64_t column = task / blocks * kPanelColumns, row = task % blocks * task_rows;
    ProductArgs args;
    args.a = d_logits + row * d_row;
    args.a_row = d_row;
    args.k = args.block = head.V;
    args.b = head.weight + column;
    args.b_k = head.H;
    args.c = d_top + row * head.H + column;
    args.c_row = head.H;
    args.rows = std::min(task_rows, rows - row);
    args.columns = static_cast<int>(std::min<int64_t>(kPanelColumns, head.H - column));
    kernels.product(args);
  });
}

// d_weight (+)= d_logits^T top and, unless it is empty, d_bias (+)= the columns' sums, over `rows`
// rows; added to what is there unless `first`.
void HeadGradient(Turn& turn, const Kernels& kernels, const Head& head, const float* d_logits,
                  int64_t d_row, const float* top, int64_t rows, bool first,
                  const HeadViews& d_head) {
  float* d_weight = d_head.weight.As<float>();
  float* d_bias = d_head.bias.empty() ? nullptr : d_head.bias.As<float>();
  const int64_t panels = CeilDivide(head.H, kPanelColumns);
  const int64_t blocks = CeilDivide(head.V, kTaskRows);
  turn.ForEach(panels * blocks, 2.0 * kTaskRows * rows * kPanelColumns, [&](int64_t task, int) {
    const int64_t v = task / panels * kTaskRows, column = task % panels * kPanelColumns;
    const int64_t count = std::min(kTaskRows, head.V - v);
    ProductArgs args;
    args.a = d_logits + v;
    args.a_row = 1;
    args.a_k = d_row;
    args.k = args.block = rows;
    args.b = top + column;
    args.b_k = head.H;
    args.c = d_weight + v * head.H + column;
    args.c_row = head.H;
    args.start = first ? nullptr : args.c;
    args.start_row = head.H;
    args.rows = count;
    args.columns = static_cast<int>(std::min<int64_t>(kPanelColumns, head.H - column));
    kernels.product(args);
    if (column > 0 || d_bias == nullptr) return;
    float sum[kTaskRows] = {};
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t i = 0; i < kTaskRows; ++i) sum[i] += d_logits[row * d_row + v + i];
    }
    for (int64_t i = 0; i < count; ++i) d_bias[v + i] = sum[i] + (first ? 0 : d_bias[v + i]);
  });
}

}  // namespace

int64_t LossScratchBytes(int64_t rows, int64_t V) {
  const LossBlock block(rows, V);
  return rows * static_cast<int64_t>(sizeof(double)) +
         block.rows * block.row * static_cast<int64_t>(sizeof(float));
}

int64_t SampleScratchBytes(int64_t V, int workers) {
  return workers * SampleElements(V) * static_cast<int64_t>(sizeof(float));
}

void Logits(CpuQueue& queue, View top, const HeadViews& views, View logits) {
  const Head head(top, views);
  Turn turn(queue);
  LogitsOfRows(turn, queue.device.kernels, head, 0, head.rows, logits.As<float>(), head.V);
}

void LogitsBackward(CpuQueue& queue, View top, const HeadViews& views, View d_logits, View d_top,
                    View d_weight, GradientMode mode) {
  const Head head(top, views);
  const Kernels& kernels = queue.device.kernels;
  const float* d = d_logits.As<float>();
  Turn turn(queue);
  TopGradient(turn, kernels, head, d, head.V, head.rows, d_top.As<float>());
  HeadGradient(turn, kernels, head, d, head.V, head.top, head.rows, mode == GradientMode::kWrite,
               {.weight = d_weight, .bias = {}});
}

void ProjectAndLoss(CpuQueue& queue, View top, const HeadViews& views, View targets, View loss,
                    View d_top, const HeadViews& d_head) {
  const Head head(top, views);
  const Kernels& kernels = queue.device.kernels;
  const int32_t* target = targets.As<int32_t>();
  if (absl::Status status = CheckTargets(target, head.rows, head.V); !status.ok()) {
    return queue.Fail(status);
  }
  const auto counted = static_cast<double>(
      std::count_if(target, target + head.rows, [](int32_t one) { return one >= 0; }));

  const auto [block, d_row] = LossBlock(head.rows, head.V);
  auto* losses = static_cast<double*>(queue.Scratch(LossScratchBytes(head.rows, head.V)));
  if (losses == nullptr) return;
  auto* d_logits = reinterpret_cast<float*>(losses + head.rows);
  Turn turn(queue);
  for (int64_t first = 0; first < head.rows; first += block) {
    const int64_t rows = std::min(block, head.rows - first);
    LogitsOfRows(turn, kernels, head, first, rows, d_logits, d_row);
    turn.ForEach(rows, 20.0 * head.V, [&](int64_t row, int) {
      losses[first + row] =
          LossOfRow(kernels, d_logits + row * d_row, head.V, target[first + row], counted);
    });
    if (d_top.empty()) continue;
    TopGradient(turn, kernels, head, d_logits, d_row, rows, d_top.As<float>() + first * head.H);
    HeadGradient(turn, kernels, head, d_logits, d_row, head.top + first * head.H, rows, first == 0,
                 d_head);
  }
  double nats = 0;
  for (int64_t row = 0; row < head.rows; ++row) nats += losses[row];
  loss.As<double>()[0] = nats;
  loss.As<double>()[1] = counted;
}

void Sample(CpuQueue& queue, View logits, const SampleViews& views) {
  const auto N = static_cast<int64_t>(views.tokens.count),
             V = static_cast<int64_t>(logits.count) / N;
  const auto rows = views.rows.Structs<SampleRow>();
  const auto adjustments = views.adjustments.Structs<LogitAdjustment>();
  const auto rankings = views.rankings.Structs<TokenLogProbability>();
  const int64_t of_worker = SampleElements(V);
  auto* scratch =
      static_cast<float*>(queue.Scratch(SampleScratchBytes(V, queue.device.workers.threads())));
  if (scratch == nullptr) return;
  const auto sample = [&](int64_t i, int worker) {
    const float* of_row = logits.As<float>() + i * V;
    int32_t& token = views.tokens.As<int32_t>()[i];
    token = SampleRowToken(rows[i], views.advance, adjustments.data(), of_row,
                           static_cast<int32_t>(V), scratch + worker * of_worker);
    if (rows[i].ranked < 0) return;
    RankTokens(of_row, static_cast<int32_t>(V), token, rows[i].ranked, &rankings[i * kRankingSize]);
  };
  // About 20 flops for each token of a vocabulary, one by one: they take the time of 200.
  const double flops = 200.0 * V;
  if (flops * N < kFlopsWorthSharing) {
    const FlushDenormals flush;
    for (int64_t i = 0; i < N; ++i) sample(i, 0);
    return;
  }
  Turn(queue).ForEach(N, flops, sample);
}

}  // namespace derin::cpu
