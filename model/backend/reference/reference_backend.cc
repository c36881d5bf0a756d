#include "model/backend/reference/reference_backend.h"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "model/backend/reference/matrix.h"
#include "model/backend/reference/reference_head.h"
#include "model/backend/reference/reference_stack.h"
#include "model/backend/stack_layout.h"

namespace derin::reference {
namespace {

// Everything happens at once on the calling thread, so there is nothing to wait for.
class ReferenceQueue : public Queue {
 public:
  Ticket Signal() override { return 0; }
  absl::Status Wait(Ticket) override { return status_; }

  bool ok() const { return status_.ok(); }
  void Fail(absl::Status status) {
    if (status_.ok()) status_ = std::move(status);
  }

 private:
  absl::Status status_;
};

class ReferenceRecording : public Recording {
 public:
  explicit ReferenceRecording(std::function<void(Queue&)> body) : body_(std::move(body)) {}
  void Run(Queue& queue) override { body_(queue); }

 private:
  const std::function<void(Queue&)> body_;
};

bool Ok(Queue& queue) { return static_cast<ReferenceQueue&>(queue).ok(); }

// The value of `key` in a file of `key : value` lines; empty when there is none.
std::string ProcLine(const char* path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (line.compare(0, key.size(), key) != 0 || colon == std::string::npos) continue;
    const size_t start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

// Calls `body` with a value of the real type that `view` holds.
template <typename Body>
void WithRealType(const View& view, const Body& body) {
  if (view.type == ElementType::kF64) {
    body(double{});
  } else {
    body(float{});
  }
}

class ReferenceBackend : public Backend {
 public:
  ReferenceBackend() {
    capabilities_.backend = "reference";
    capabilities_.device = ProcLine("/proc/cpuinfo", "model name");
    capabilities_.precisions = {Precision::kF32, Precision::kF64};
    capabilities_.synchronous = true;
  }

  const Capabilities& capabilities() const override { return capabilities_; }

  std::string EngineId(Precision precision) const override {
    return "reference/" + std::string(PrecisionName(precision)) + "/1";
  }

  int64_t FreeBytes() const override {
    return std::strtoll(ProcLine("/proc/meminfo", "MemAvailable").c_str(), nullptr, 10) * 1024;
  }

  absl::StatusOr<Buffer> Allocate(ElementType type, size_t count, Memory) override {
    const size_t wanted = count * ElementSize(type);
    if (absl::Status status = CheckFree(static_cast<int64_t>(wanted)); !status.ok()) return status;
    const size_t rounded = (wanted + kAlignment) / kAlignment * kAlignment;
    void* data = std::aligned_alloc(kAlignment, rounded);
    if (data == nullptr) {
      return absl::ResourceExhaustedError(
          absl::StrFormat("wanted %d bytes of memory, got none", wanted));
    }
    std::memset(data, 0, rounded);
    return Buffer(View{data, count, type}, std::shared_ptr<void>(data, &std::free));
  }

  absl::StatusOr<std::unique_ptr<Queue>> NewQueue(QueuePriority) override {
    return std::make_unique<ReferenceQueue>();
  }

  std::unique_ptr<Recording> Record(std::function<void(Queue&)> body) override {
    return std::make_unique<ReferenceRecording>(std::move(body));
  }

  StackPlan Plan(const StackConfig& config, const StackExtent& extent) const override {
    const int64_t real = static_cast<int64_t>(ElementSize(StateType(config.precision)));
    const int64_t gates = int64_t{GateCount(config.cell)} * config.hidden;
    const int64_t window = int64_t{extent.steps} * PaddedRows(extent.batch);
    const Slice last = StackSlices(config).back();
    StackPlan plan;
    plan.weight_bytes = real * (last.offset + last.count);
    // Input parts of the gates, their gradients (two sets) and the gradients of a layer's outputs.
    plan.workspace_bytes =
        real * std::max(window * (3 * gates + config.hidden),
                        int64_t{config.layers} * PaddedRows(extent.step_rows) * 3 * gates);
    // Gates, tanh(c), h and c, each step's twice: in its activations and in the sequence.
    plan.reserve_bytes = real * config.layers * window * (gates + 5 * config.hidden);
    plan.slot_bytes = real * StateElements(config);
    return plan;
  }

  absl::StatusOr<std::unique_ptr<RecurrentStack>> NewStack(const StackConfig& config,
                                                           const StackExtent& extent) override {
    if (absl::Status status = CheckPrecision(capabilities_, config.precision); !status.ok()) {
      return status;
    }
    const StackPlan plan = Plan(config, extent);
    const int64_t wanted = plan.weight_bytes + plan.workspace_bytes + plan.reserve_bytes;
    if (absl::Status status = CheckFree(wanted); !status.ok()) return status;
    if (config.precision == Precision::kF64) {
      return std::make_unique<ReferenceStack<double>>(config, extent);
    }
    return std::make_unique<ReferenceStack<float>>(config, extent);
  }

  void Upload(Queue& queue, const void* from, View to) override {
    if (Ok(queue) && to.count > 0) std::memcpy(to.data, from, to.bytes());
  }

  void Copy(Queue& queue, View from, View to) override {
    DERIN_CHECK(from.type == to.type && from.count == to.count);
    if (Ok(queue) && to.count > 0) std::memmove(to.data, from.data, to.bytes());
  }

  void Zero(Queue& queue, View view) override {
    if (Ok(queue) && view.count > 0) std::memset(view.data, 0, view.bytes());
  }

  absl::Status Download(Queue& queue, View from, void* to) override {
    if (absl::Status status = queue.Finish(); !status.ok()) return status;
    if (from.count > 0) std::memcpy(to, from.data, from.bytes());
    return absl::OkStatus();
  }

  void GatherWindow(Queue& queue, View corpus, View starts, View tokens, View targets) override {
    if (!Ok(queue)) return;
    const int64_t B = static_cast<int64_t>(starts.count);
    const int64_t T = static_cast<int64_t>(tokens.count) / B;
    for (int64_t b = 0; b < B; ++b) {
      const int64_t start = starts.As<int64_t>()[b];
      DERIN_CHECK(start >= 0 && start + T < static_cast<int64_t>(corpus.count));
      const int32_t* text = corpus.As<int32_t>() + start;
      for (int64_t t = 0; t < T; ++t) {
        tokens.As<int32_t>()[t * B + b] = text[t];
        targets.As<int32_t>()[t * B + b] = text[t + 1];
      }
    }
  }

  void ProjectAndLoss(Queue& queue, View top, const HeadViews& head, View targets, View loss,
                      View d_top, const HeadViews& d_head) override {
    if (!Ok(queue)) return;
    WithRealType(top, [&](auto real) {
      static_cast<ReferenceQueue&>(queue).Fail(
          reference::ProjectAndLoss<decltype(real)>(top, head, targets, loss, d_top, d_head));
    });
  }

  void SquaredNorm(Queue& queue, View gradients, View squared_norm) override {
    if (!Ok(queue)) return;
    WithRealType(gradients, [&](auto real) {
      *squared_norm.As<double>() = reference::SquaredNorm<decltype(real)>(gradients);
    });
  }

  void Update(Queue& queue, const OptimizerConfig& config, const UpdateViews& views) override {
    if (!Ok(queue)) return;
    WithRealType(views.parameters,
                 [&](auto real) { reference::Update<decltype(real)>(config, views); });
  }

  void Logits(Queue& queue, View top, const HeadViews& head, View logits) override {
    if (!Ok(queue)) return;
    WithRealType(top, [&](auto real) { reference::Logits<decltype(real)>(top, head, logits); });
  }

  void Sample(Queue& queue, View logits, View rows, View tokens) override {
    if (!Ok(queue)) return;
    const size_t N = tokens.count, V = logits.count / N;
    const SampleRow* row = reinterpret_cast<const SampleRow*>(rows.As<std::byte>());
    std::vector<float> of_row(V), probabilities(V);
    for (size_t i = 0; i < N; ++i) {
      WithRealType(logits, [&](auto real) {
        const auto* from = logits.As<decltype(real)>() + i * V;
        std::copy(from, from + V, of_row.begin());
      });
      tokens.As<int32_t>()[i] = SampleToken(row[i], of_row, absl::MakeSpan(probabilities));
    }
  }

  void CopyStates(Queue& queue, View pool, int64_t slot_elements, View from, View to) override {
    if (!Ok(queue)) return;
    const size_t bytes = static_cast<size_t>(slot_elements) * ElementSize(pool.type);
    auto* slots = static_cast<std::byte*>(pool.data);
    std::vector<std::byte> read(from.count * bytes);
    for (size_t i = 0; i < from.count; ++i) {
      std::memcpy(&read[i * bytes], slots + from.As<int32_t>()[i] * bytes, bytes);
    }
    for (size_t i = 0; i < to.count; ++i) {
      std::memcpy(slots + to.As<int32_t>()[i] * bytes, &read[i * bytes], bytes);
    }
  }

 private:
  static constexpr size_t kAlignment = 64;

  absl::Status CheckFree(int64_t wanted) const {
    const int64_t free = FreeBytes();
    if (wanted <= free) return absl::OkStatus();
    return absl::ResourceExhaustedError(
        absl::StrFormat("wanted %d bytes of memory, %d are free", wanted, free));
  }

  Capabilities capabilities_;
};

}  // namespace

std::unique_ptr<Backend> NewReferenceBackend() { return std::make_unique<ReferenceBackend>(); }

}  // namespace derin::reference
