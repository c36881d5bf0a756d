#include "tests/benchmarks/work.h"

#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "model/backend/cpu/cpu_backend.h"
#include "model/network/language_model.h"
#include "model/sampling/philox.h"
#include "model/training/trainer.h"

namespace derin {
namespace {

class TrainingWork : public Work {
 public:
  TrainingWork(const WorkShape& shape, std::unique_ptr<Trainer> trainer)
      : Work(int64_t{shape.batch} * shape.steps, shape.TrainingFlops() * shape.batch * shape.steps),
        trainer_(std::move(trainer)) {}

  absl::Status Run() override { return trainer_->Step(); }

 private:
  const std::unique_ptr<Trainer> trainer_;
};

class GenerationWork : public Work {
 public:
  explicit GenerationWork(const WorkShape& shape)
      : Work(int64_t{shape.batch} * shape.steps_at_once,
             shape.ForwardFlops() * shape.batch * shape.steps_at_once),
        steps_(shape.steps_at_once),
        rows_(shape.batch),
        next_(rows_.size() * steps_) {}

  absl::Status Prepare(Backend& backend, const WorkShape& shape) {
    auto model =
        LanguageModel::Create(backend, shape.model, InitialParameters(shape.model, 1), shape.batch);
    if (!model.ok()) return model.status();
    model_ = *std::move(model);
    auto pool = HiddenStatePool::Create(backend, ElementType::kF32, StateElements(shape.model),
                                        shape.batch);
    if (!pool.ok()) return pool.status();
    pool_ = *std::move(pool);
    auto queue = backend.NewQueue(QueuePriority::kGeneration);
    if (!queue.ok()) return queue.status();
    queue_ = *std::move(queue);
    for (size_t i = 0; i < rows_.size(); ++i) {
      const absl::StatusOr<int32_t> slot = pool_->Acquire();
      if (!slot.ok()) return slot.status();
      rows_[i].slot = *slot;
      rows_[i].token = 1;
      rows_[i].sample.stream = static_cast<uint32_t>(i);
    }
    return absl::OkStatus();
  }

  absl::Status Run() override {
    const auto next = absl::MakeSpan(next_);
    absl::Status status = steps_ == 1 ? model_->Step(*queue_, *pool_, rows_, next)
                                      : model_->Steps(*queue_, *pool_, rows_, steps_, next);
    const absl::Span<const int32_t> last = next.subspan(next.size() - rows_.size());
    for (size_t i = 0; i < rows_.size(); ++i) {
      rows_[i].token = last[i];
      rows_[i].sample.position += steps_;
    }
    return status;
  }

 private:
  const int steps_;
  std::unique_ptr<LanguageModel> model_;
  std::unique_ptr<HiddenStatePool> pool_;
  std::unique_ptr<Queue> queue_;
  std::vector<LanguageModel::Row> rows_;
  std::vector<int32_t> next_;
};

}  // namespace

std::string WorkShape::Name() const {
  return absl::StrFormat("%s/%dx%d/vocabulary:%d/batch:%d/%s/%s/threads:%d",
                         std::string(CellName(model.cell)), model.layers, model.hidden,
                         model.vocabulary, batch, std::string(PrecisionName(model.precision)),
                         std::string(cpu::InstructionSetName(instructions)), threads);
}

double WorkShape::ForwardFlops() const {
  const double H = model.hidden, gates = GateCount(model.cell) * H;
  return 2 * (gates * H * (2 * model.layers - 1) + H * model.vocabulary);
}

std::unique_ptr<Backend> BackendFor(const WorkShape& shape) {
  return cpu::NewCpuBackend({.threads = shape.threads, .instructions = shape.instructions});
}

absl::StatusOr<std::unique_ptr<Work>> NewTrainingWork(Backend& backend, const WorkShape& shape) {
  const TrainingConfig config{
      .model = shape.model, .batch = shape.batch, .steps = shape.steps, .epochs = 100'000};
  std::vector<int32_t> tokens(int64_t{shape.batch} * shape.steps * 8 + shape.steps + 1);
  for (size_t i = 0; i < tokens.size(); ++i) {
    const uint32_t random =
        Philox4x32(RandomPurpose::kSampling, static_cast<uint32_t>(i), 0, 0, 1).word[0];
    tokens[i] = static_cast<int32_t>(IntegerBelow(random, shape.model.vocabulary));
  }
  auto trainer = Trainer::Create(backend, config, tokens, InitialParameters(shape.model, 1));
  if (!trainer.ok()) return trainer.status();
  return std::make_unique<TrainingWork>(shape, *std::move(trainer));
}

absl::StatusOr<std::unique_ptr<Work>> NewGenerationWork(Backend& backend, const WorkShape& shape) {
  auto work = std::make_unique<GenerationWork>(shape);
  if (absl::Status status = work->Prepare(backend, shape); !status.ok()) return status;
  return work;
}

}  // namespace derin
