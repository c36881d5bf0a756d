#include "server/generation/generation_engine.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "server/status/error.h"
#include "server/storage/resource_name.h"

namespace derin::server {
namespace {

// Of what goes on without a look at calls that leave or come.
constexpr int64_t kMostStepsOfTrip = 8;
constexpr absl::Duration kLongestTrip = absl::Milliseconds(2);
// A trip has fewer steps where a larger share of its draws would be beyond the ends of their calls.
constexpr double kMostSpareDraws = 1.0 / 16;

// Calls whose caller has used up its tokens are looked at again after a time between these: not for
// each token by itself, and soon after an operator has changed the limit.
constexpr absl::Duration kShortestTokenWait = absl::Milliseconds(20);
constexpr absl::Duration kLongestTokenWait = absl::Seconds(1);

// `models/ID/versions/N` as the metrics label it.
std::string ModelLabel(const Generation& generation) {
  const auto reference =
      ParseModelReference(generation.session().version()->version.name(), "model");
  return reference.ok() ? reference->model_id : "unknown";
}

std::string FinishLabel(v1::FinishReason reason) {
  switch (reason) {
    case v1::FINISH_REASON_LENGTH:
      return "length";
    case v1::FINISH_REASON_SESSION_CLOSED:
      return "session_closed";
    case v1::FINISH_REASON_SERVER_STOPPING:
      return "server_stopping";
    case v1::FINISH_REASON_STOP_STRING:
      return "stop_string";
    case v1::FINISH_REASON_STOP_TOKEN:
      return "stop_token";
    case v1::FINISH_REASON_TIME:
      return "time";
    default:
      return "none";  // a rewind, or a prompt without a text
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<GenerationEngine>> GenerationEngine::Create(
    Backend& backend, SessionKeeper& keeper, ServerMetrics& metrics,
    const GenerationEngineOptions& options, MonotonicClock clock) {
  auto queue = backend.NewQueue(QueuePriority::kGeneration);
  if (!queue.ok()) return queue.status();
  return std::unique_ptr<GenerationEngine>(
      new GenerationEngine(backend, keeper, metrics, options, std::move(clock), *std::move(queue)));
}

GenerationEngine::GenerationEngine(Backend& backend, SessionKeeper& keeper, ServerMetrics& metrics,
                                   const GenerationEngineOptions& options, MonotonicClock clock,
                                   std::unique_ptr<Queue> queue)
    : backend_(backend),
      metrics_(metrics),
      options_(options),
      clock_(std::move(clock)),
      queue_(std::move(queue)),
      batcher_(options.max_rows),
      writer_([this] { Wake(); }),
      saver_(keeper, [this](absl::Span<const std::shared_ptr<Generation>> kept) {
        writer_.Ready(kept);
        Wake();  // for those that wait to be made again
      }) {
  metrics_.generation_active.BindValue([this] {
    absl::MutexLock lock(&mutex_);
    return static_cast<double>(streams_ - waiting_);
  });
  metrics_.generation_waiting.BindValue([this] {
    absl::MutexLock lock(&mutex_);
    return static_cast<double>(waiting_);
  });
  thread_ = std::thread([this] { Run(); });
}

GenerationEngine::~GenerationEngine() {
  metrics_.generation_active.Unbind();
  metrics_.generation_waiting.Unbind();
  {
    absl::MutexLock lock(&mutex_);
    end_all_ = stop_ = news_ = true;
  }
  thread_.join();
}

absl::Status GenerationEngine::StartAll(absl::Span<const std::shared_ptr<Generation>> generations) {
  const absl::Status health = backend_.health();
  absl::MutexLock lock(&mutex_);
  int places = 0;
  for (const auto& one : generations) places += one->continues() ? 0 : 1;
  absl::Status refusal;
  if (end_all_) {
    refusal = ServerStopping();
  } else if (!health.ok()) {
    refusal = DeviceLost(health);
  } else if (places > 0 && streams_ + places > options_.max_streams) {
    refusal = WithRetryAfter(
        Refusal(absl::StatusCode::kResourceExhausted, "STREAMS_FULL",
                absl::StrFormat("all %d streams of this server are in use: try again, or have the "
                                "operator raise --max-streams",
                                options_.max_streams)),
        absl::Milliseconds(200));
  }
  if (!refusal.ok()) {
    for (const auto& one : generations) one->session().End(absl::Now());
    return refusal;
  }
  for (const auto& one : generations) {
    one->Begin();
    writer_.Add(one);
    newcomers_.push_back(one);
  }
  streams_ += static_cast<int>(generations.size());
  waiting_ += static_cast<int>(generations.size());
  news_ = true;
  return absl::OkStatus();
}

void GenerationEngine::Wake() {
  absl::MutexLock lock(&mutex_);
  news_ = true;
}

void GenerationEngine::EndAll() {
  absl::MutexLock lock(&mutex_);
  end_all_ = news_ = true;
}

int GenerationEngine::streams() const {
  absl::MutexLock lock(&mutex_);
  return streams_;
}

int GenerationEngine::waiting() const {
  absl::MutexLock lock(&mutex_);
  return waiting_;
}

void GenerationEngine::Run() {
  absl::Duration wait = absl::InfiniteDuration();
  while (TakeNews(wait)) {
    EndThoseThatLeave();
    const auto batch = batcher_.NextStep();
    wait = batch.empty() ? TimeToWait() : absl::ZeroDuration();
    if (!batch.empty()) Step(batch);
  }
}

absl::Duration GenerationEngine::TimeToWait() const {
  const absl::Duration delay = batcher_.TokenDelay();
  if (delay == absl::InfiniteDuration()) return delay;
  return std::clamp(delay, kShortestTokenWait, kLongestTokenWait);
}

bool GenerationEngine::TakeNews(absl::Duration wait) {
  std::vector<std::shared_ptr<Generation>> newcomers;
  bool stop;
  {
    absl::MutexLock lock(&mutex_);
    if (wait > absl::ZeroDuration() && !stop_) {
      mutex_.AwaitWithTimeout(absl::Condition(this, &GenerationEngine::HasNews), wait);
    }
    news_ = false;
    newcomers.swap(newcomers_);
    ending_ = end_all_;
    stop = stop_;
  }
  newcomers.insert(newcomers.begin(), deferred_.begin(), deferred_.end());
  deferred_.clear();
  for (auto& newcomer : newcomers) {
    if (newcomer->replays()) {
      TakeOver(*newcomer);
      if (saver_.Has(newcomer->session())) {
        deferred_.push_back(std::move(newcomer));
        continue;
      }
    }
    newcomer->Join();
    batcher_.Add(std::move(newcomer));
  }
  return !stop || batcher_.size() > 0 || !deferred_.empty();
}

void GenerationEngine::TakeOver(Generation& newcomer) {
  const auto gone =
      batcher_.Remove([&](const Generation& one) { return &one.session() == &newcomer.session(); });
  if (gone.empty()) return;
  for (const auto& one : gone) {
    one->Fail(Refusal(absl::StatusCode::kAborted, "CALL_TAKEN_OVER",
                      "another call with the same request_id goes on with this text"));
    // Not kept: what it left is what the newcomer goes back behind.
    one->Release(absl::OkStatus(), absl::Now());
    metrics_.generation_requests.With(ModelLabel(*one), "taken_over").Add(1);
  }
  writer_.Ready(gone);
  NoLongerStreams(gone);
}

void GenerationEngine::EndThoseThatLeave() {
  auto gone = batcher_.Remove([this](const Generation& one) {
    return one.cancelled() || one.session().closed() || one.complete() || ending_ ||
           one.out_of_time(step_end_);
  });
  if (gone.empty()) return;
  for (const auto& one : gone) {
    const std::string model = ModelLabel(*one);
    if (one->cancelled()) {
      one->Fail(absl::CancelledError("the client left"));
      metrics_.generation_requests.With(model, "cancelled").Add(1);
      continue;
    }
    const v1::FinishReason reason = one->complete()           ? one->completion()
                                    : one->session().closed() ? v1::FINISH_REASON_SESSION_CLOSED
                                    : ending_                 ? v1::FINISH_REASON_SERVER_STOPPING
                                                              : v1::FINISH_REASON_TIME;
    one->Finish(reason);
    metrics_.generation_requests.With(model, FinishLabel(reason)).Add(1);
  }
  Leave(gone);
}

void GenerationEngine::Leave(absl::Span<const std::shared_ptr<Generation>> gone) {
  std::vector<std::shared_ptr<Generation>> to_keep, others;
  for (const auto& one : gone) (one->needs_keeping() ? to_keep : others).push_back(one);
  for (const auto& one : others) one->Release(absl::OkStatus(), absl::Now());
  NoLongerStreams(gone);
  if (!to_keep.empty()) saver_.Add(to_keep);
  if (!others.empty()) writer_.Ready(others);
}

void GenerationEngine::NoLongerStreams(absl::Span<const std::shared_ptr<Generation>> gone) {
  absl::MutexLock lock(&mutex_);
  streams_ -= static_cast<int>(gone.size());
  for (const auto& one : gone) waiting_ -= one->waiting();
}

int64_t GenerationEngine::SpareDraws(absl::Span<const std::shared_ptr<Generation>> batch,
                                     int64_t steps) {
  int64_t spare = 0;
  for (const auto& one : batch) spare += std::max<int64_t>(0, steps - one->draws_left());
  return spare;
}

int GenerationEngine::StepsOf(absl::Span<const std::shared_ptr<Generation>> batch) const {
  // Of another version, or of fewer calls, the step before says nothing.
  absl::Duration step_time;
  for (const auto& one : batch) step_time = std::max(step_time, one->StepTimeWith(batch.size()));
  if (step_time == absl::ZeroDuration()) return 1;
  int64_t steps = std::min(kMostStepsOfTrip, kLongestTrip / step_time);
  for (const auto& one : batch) {
    if (steps <= 1) return 1;
    steps = std::min(steps, one->free_steps());
  }
  steps = std::bit_floor(static_cast<uint64_t>(std::max<int64_t>(1, steps)));
  const auto rows = static_cast<double>(batch.size());
  while (steps > 1 && static_cast<double>(SpareDraws(batch, steps)) >
                          kMostSpareDraws * rows * static_cast<double>(steps)) {
    steps /= 2;
  }
  return static_cast<int>(steps);
}

void GenerationEngine::Step(absl::Span<const std::shared_ptr<Generation>> batch) {
  const absl::Duration start = clock_();
  const int steps = StepsOf(batch);
  const LoadedVersion& version = *batch.front()->session().version();
  const bool uploads = UploadStates(batch);
  rows_.clear();
  bool ranks = false;
  for (const auto& one : batch) {
    rows_.push_back(one->NextRow());
    ranks |= rows_.back().sample.ranked >= 0;
  }
  chosen_.resize(batch.size() * steps);
  rankings_.resize(ranks ? batch.size() * kRankingSize : 0);
  HiddenStatePool& pool = batch.front()->session().lease().pool();
  const absl::Status status =
      steps > 1 ? version.model->Steps(*queue_, pool, rows_, steps, absl::MakeSpan(chosen_))
                : version.model->Step(*queue_, pool, rows_, absl::MakeSpan(chosen_),
                                      absl::MakeSpan(rankings_));
  if (!status.ok()) return FailBatch(batch, status);
  if (uploads) {
    for (const auto& one : batch) one->session().Uploaded();
  }

  step_end_ = clock_();
  const absl::Duration step_time = (step_end_ - start) / steps;
  metrics_.generation_busy.Add(step_end_ - start);
  int started = 0;
  for (const auto& one : batch) started += one->waiting();
  int64_t drawn = 0, forced = 0;
  // Call by call, and not step by step: a thousand calls are more than the processor's cache has.
  for (size_t i = 0; i < batch.size(); ++i) {
    const Taken taken = TakeChosen(*batch[i], i, batch.size(), start, step_time);
    drawn += taken.drawn;
    forced += taken.forced;
  }
  for (int step = 0; step < steps; ++step) {
    metrics_.generation_step_seconds.Record(step_time);
    metrics_.generation_batch_size.Record(static_cast<double>(batch.size()));
  }
  const std::string model = ModelLabel(*batch.front());
  metrics_.generated_tokens.With(model).Add(drawn);
  metrics_.prompt_tokens.With(model).Add(forced);
  metrics_.generated_tokens_rate.Add(drawn);
  if (forced > 0) metrics_.prompt_tokens_rate.Add(forced);
  std::vector<std::shared_ptr<Generation>> has_text;
  for (size_t i = 0; i < batch.size(); ++i) {
    const bool has = rows_[i].sample.forced_token < 0 || batch[i]->echoes();
    if (has && !batch[i]->complete()) has_text.push_back(batch[i]);
  }
  // A call that is complete is announced with its end, so that both go in one message.
  if (!has_text.empty()) writer_.Ready(has_text);
  if (started > 0) {
    absl::MutexLock lock(&mutex_);
    waiting_ -= started;
  }
}

GenerationEngine::Taken GenerationEngine::TakeChosen(Generation& one, size_t row, size_t rows,
                                                     absl::Duration start,
                                                     absl::Duration step_time) {
  Taken taken;
  const int32_t ranked = rows_[row].sample.ranked;
  const absl::Span<const TokenLogProbability> ranking =
      ranked < 0 ? absl::Span<const TokenLogProbability>()
                 : absl::MakeConstSpan(&rankings_[row * kRankingSize], 1 + ranked);
  for (size_t at = row; at < chosen_.size() && !one.complete(); at += rows, start += step_time) {
    const bool draws = one.next_draws();
    one.Accept(chosen_[at], start, start + step_time, ranking);
    Record(one, draws);
    ++(draws ? taken.drawn : taken.forced);
  }
  one.Charge();
  one.TookPart(step_time, rows);
  return taken;
}

bool GenerationEngine::UploadStates(absl::Span<const std::shared_ptr<Generation>> batch) {
  bool some = false;
  for (const auto& one : batch) {
    Session& session = one->session();
    if (session.to_upload().empty()) continue;
    // An error shows in the step behind it.
    const SlotLease& lease = session.lease();
    backend_.Upload(*queue_, session.to_upload().data(), lease.pool().slot(lease.slot()));
    some = true;
  }
  return some;
}

void GenerationEngine::Record(const Generation& generation, bool drew) {
  if (generation.steps() == 1) {
    metrics_.generation_queue_seconds.Record(generation.first_step() - generation.arrival());
  }
  if (!drew) return;
  if (generation.drawn() == 1) {
    metrics_.time_to_first_token_seconds.Record(generation.first_token() - generation.arrival());
  } else {
    metrics_.inter_token_seconds.Record(generation.last_token() - generation.previous_token());
  }
}

void GenerationEngine::FailBatch(absl::Span<const std::shared_ptr<Generation>> batch,
                                 const absl::Status& status) {
  const absl::Status health = backend_.health();
  const bool lost = !health.ok();
  // One that failed does nothing any more. Without another the next step fails, too, and tries.
  if (!lost) {
    auto queue = backend_.NewQueue(QueuePriority::kGeneration);
    if (queue.ok()) queue_ = *std::move(queue);
  }
  auto gone = batcher_.Remove([&](const Generation& one) {
    if (lost) return true;
    for (const auto& member : batch) {
      if (member.get() == &one) return true;
    }
    return false;
  });
  for (const auto& one : gone) {
    one->Fail(lost ? DeviceLost(health) : status);
    metrics_.generation_requests.With(ModelLabel(*one), lost ? "device_lost" : "internal").Add(1);
  }
  Leave(gone);
}

}  // namespace derin::server
