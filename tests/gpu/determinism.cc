// The same bits again: of a training, and of a step's rows whatever is beside them.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/str_format.h"
#include "model/backend/host_transfer.h"
#include "model/sampling/philox.h"
#include "model/training/trainer.h"
#include "tests/gpu/eager_backend.h"
#include "tests/gpu/proof.h"

namespace derin {
namespace {

// FNV-1a, 64 bits.
class Digest {
 public:
  template <typename T>
  void Add(const std::vector<T>& values) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
    for (size_t i = 0; i < values.size() * sizeof(T); ++i) {
      hash_ = (hash_ ^ bytes[i]) * 0x100000001b3u;
    }
  }
  std::string text() const { return absl::StrFormat("%016x", hash_); }

 private:
  uint64_t hash_ = 0xcbf29ce484222325u;
};

uint32_t Random(size_t i) {
  return Philox4x32(RandomPurpose::kSampling, static_cast<uint32_t>(i), 0, 0, 1).word[0];
}

absl::StatusOr<std::string> DigestOfTraining(Backend& backend, const StackConfig& model,
                                             int steps) {
  const TrainingConfig config{.model = model, .epochs = steps};  // at least a step an epoch
  std::vector<int32_t> tokens(10'000);
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = static_cast<int32_t>(IntegerBelow(Random(i), model.vocabulary));
  }
  auto trainer = Trainer::Create(backend, config, tokens, InitialParameters(model, 1));
  if (!trainer.ok()) return trainer.status();
  for (int step = 0; step < steps; ++step) {
    if (absl::Status status = (*trainer)->Step(); !status.ok()) return status;
  }
  const auto snapshot = (*trainer)->Snapshot();
  if (!snapshot.ok()) return snapshot.status();
  Digest digest;
  digest.Add(snapshot->parameters);
  digest.Add(snapshot->hidden);
  digest.Add(std::vector{snapshot->progress.epoch_loss.nats, snapshot->progress.gradient_norm});
  return digest.text();
}

// A model, and room for a step of many rows.
class Stepper {
 public:
  struct Result {
    std::vector<float> pool, top, logits;  // [slots, L, S, H], [N, H], [N, V]
    std::vector<int32_t> next;             // [N]
  };

  Stepper(Backend& backend, const StackConfig& config)
      : backend_(backend), config_(config), layout_(config) {}

  absl::Status Prepare(int rows) {
    auto queue = backend_.NewQueue(QueuePriority::kGeneration);
    if (!queue.ok()) return queue.status();
    queue_ = *std::move(queue);
    auto stack = backend_.NewStack(config_, {.step_rows = rows});
    if (!stack.ok()) return stack.status();
    stack_ = *std::move(stack);
    const Parameters initial = InitialParameters(config_, 1);
    if (absl::Status status = Move(initial.values, parameters_); !status.ok()) return status;
    stack_->SetParameters(*queue_, parameters_.view().Slice(0, layout_.stack_count()));
    return queue_->Finish();
  }

  // Row i absorbs tokens[i] into slots[i] of `pool`. Its draw is as the slot says.
  absl::StatusOr<Result> Step(const std::vector<float>& pool, const std::vector<int32_t>& tokens,
                              const std::vector<int32_t>& slots) {
    const size_t N = tokens.size();
    std::vector<SampleRow> rows(N);
    for (size_t i = 0; i < N; ++i) rows[i].stream = static_cast<uint32_t>(slots[i]);
    Result result{.pool = pool,
                  .top = std::vector<float>(N * config_.hidden, kNaN),
                  .logits = std::vector<float>(N * config_.vocabulary, kNaN),
                  .next = std::vector<int32_t>(N, -1)};
    Buffer states, ids, at, top, logits, next, samples;
    absl::Status status = Move(result.pool, states);
    status.Update(Move(tokens, ids));
    status.Update(Move(slots, at));
    status.Update(Move(result.top, top));
    status.Update(Move(result.logits, logits));
    status.Update(Move(result.next, next));
    status.Update(Move(rows, samples));
    if (!status.ok()) return status;
    const View flat = parameters_.view();
    const Slice &weight = layout_.head_weight(), &bias = layout_.head_bias();
    stack_->Step(*queue_, ids.view(), at.view(), states.view(), top.view());
    backend_.Logits(*queue_, top.view(),
                    {flat.Slice(weight.offset, weight.count), flat.Slice(bias.offset, bias.count)},
                    logits.view());
    backend_.Sample(*queue_, logits.view(), {.rows = samples.view(), .tokens = next.view()});
    status = backend_.Download(*queue_, states.view(), result.pool.data());
    status.Update(backend_.Download(*queue_, top.view(), result.top.data()));
    status.Update(backend_.Download(*queue_, logits.view(), result.logits.data()));
    status.Update(backend_.Download(*queue_, next.view(), result.next.data()));
    if (!status.ok()) return status;
    return result;
  }

 private:
  static constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

  template <typename T>
  absl::Status Move(const std::vector<T>& values, Buffer& to) {
    const size_t each = ElementTypeOf<T>() == ElementType::kByte ? sizeof(T) : 1;
    auto buffer = backend_.Allocate(ElementTypeOf<T>(), values.size() * each);
    if (!buffer.ok()) return buffer.status();
    to = *std::move(buffer);
    backend_.Upload(*queue_, values.data(), to.view());
    return absl::OkStatus();
  }

  Backend& backend_;
  const StackConfig config_;
  const ParameterLayout layout_;
  std::unique_ptr<Queue> queue_;
  std::unique_ptr<RecurrentStack> stack_;
  Buffer parameters_;
};

template <typename T>
bool SameBits(const std::vector<T>& a, int64_t i, const std::vector<T>& b, int64_t j,
              int64_t count) {
  return std::memcmp(a.data() + i * count, b.data() + j * count, count * sizeof(T)) == 0;
}

}  // namespace

Finding TrainingDigests(Backend& backend, const StackConfig& config, int steps) {
  EagerBackend eager(backend);
  const auto first = DigestOfTraining(backend, config, steps);
  const auto second = DigestOfTraining(backend, config, steps);
  const auto without_graph = DigestOfTraining(eager, config, steps);
  const TrainingConfig sizes{.model = config};
  const auto choice = ChoiceOf(backend, config, sizes.batch, sizes.steps);
  if (!choice.ok()) return choice.status();
  for (const auto* digest : {&first, &second, &without_graph}) {
    if (!digest->ok()) return digest->status();
  }
  return nlohmann::json{{"passed", *first == *second && *first == *without_graph},
                        {"cell", std::string(CellName(config.cell))},
                        {"precision", std::string(PrecisionName(config.precision))},
                        {"choice", *choice},
                        {"steps", steps},
                        {"first", *first},
                        {"second", *second},
                        {"without_graph", *without_graph}};
}

Finding StepBits(Backend& backend, const StackConfig& config, int most) {
  const int64_t H = config.hidden, V = config.vocabulary, each = StateElements(config);
  // Row i of the step that the others are compared with has slot i + 1.
  std::vector<float> pool((most + 1) * each);
  for (size_t i = 0; i < pool.size(); ++i) {
    pool[i] = static_cast<float>(Random(i) >> 8) * 0x1p-23f - 1;
  }
  std::vector<int32_t> tokens(most), slots(most);
  for (int i = 0; i < most; ++i) {
    tokens[i] = static_cast<int32_t>(IntegerBelow(Random(i), config.vocabulary));
    slots[i] = i + 1;
  }
  Stepper stepper(backend, config);
  if (absl::Status status = stepper.Prepare(most); !status.ok()) return status;
  const auto wanted = stepper.Step(pool, tokens, slots);
  if (!wanted.ok()) return wanted.status();
  int64_t not_finite = 0;
  for (const float logit : wanted->logits) not_finite += !std::isfinite(logit);

  nlohmann::json batches = nlohmann::json::array();
  int64_t wrong = 0;
  for (const int N : {1, 7, 64, 256, most}) {
    if (N > most) continue;
    for (const bool poisoned : {false, true}) {
      // N of all rows, in an order of chance.
      std::vector<int32_t> rows(most), ids(N), at(N);
      for (int i = 0; i < most; ++i) rows[i] = i;
      std::stable_sort(rows.begin(), rows.end(),
                       [&](int a, int b) { return Random(a + most * N) < Random(b + most * N); });
      rows.resize(N);
      std::vector<float> states = pool;
      for (int i = 0; i < N; ++i) {
        ids[i] = tokens[rows[i]];
        at[i] = slots[rows[i]];
        if (poisoned && i % 2 == 1) {
          std::fill_n(states.begin() + at[i] * each, each, std::numeric_limits<float>::quiet_NaN());
        }
      }
      const auto got = stepper.Step(states, ids, at);
      if (!got.ok()) return got.status();
      int64_t compared = 0, differ = 0;
      for (int i = 0; i < N; ++i) {
        if (poisoned && i % 2 == 1) continue;
        ++compared;
        differ += !(SameBits(got->pool, at[i], wanted->pool, at[i], each) &&
                    SameBits(got->top, i, wanted->top, rows[i], H) &&
                    SameBits(got->logits, i, wanted->logits, rows[i], V) &&
                    got->next[i] == wanted->next[rows[i]]);
      }
      wrong += differ;
      batches.push_back({{"rows", N},
                         {"neighbours_are_nan", poisoned},
                         {"compared", compared},
                         {"differ", differ}});
    }
  }
  return nlohmann::json{{"passed", wrong == 0 && not_finite == 0},
                        {"cell", std::string(CellName(config.cell))},
                        {"precision", std::string(PrecisionName(config.precision))},
                        {"logits_not_finite", not_finite},
                        {"batches", batches}};
}

}  // namespace derin
