#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "derin/v1/generation.grpc.pb.h"
#include "tests/benchmarks/load/channels.h"
#include "tests/benchmarks/load/load_target.h"

namespace derin {
namespace {

using Stub = v1::GenerationService::Stub;

// The prompts of all texts: the beginning of it, as often as needed.
constexpr std::string_view kText =
    "the time traveller for so it will be convenient to speak of him ";

std::string Prompt(int length) {
  std::string prompt;
  while (static_cast<int>(prompt.size()) < length) prompt += kText;
  prompt.resize(length);
  return prompt;
}

absl::Duration ToDuration(const google::protobuf::Duration& proto) {
  return absl::Seconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

// What every call of a run has in common.
v1::GenerateRequest CommonRequest(const LoadSettings& settings) {
  v1::GenerateRequest request;
  request.set_max_tokens(settings.output_length);
  if (settings.prompt_length > 0) request.set_prompt(Prompt(settings.prompt_length));
  if (settings.chunking == Chunking::kPerToken) request.set_per_token(true);
  if (settings.chunking == Chunking::kInterval) {
    google::protobuf::Duration& interval = *request.mutable_message_interval();
    interval.set_seconds(absl::ToInt64Seconds(settings.interval));
    interval.set_nanos(static_cast<int32_t>(
        absl::ToInt64Nanoseconds(settings.interval - absl::Seconds(interval.seconds()))));
  }
  return request;
}

// The contexts of the calls under way, and the sessions that stay. A context is shared, since its
// call may end while it is cancelled.
class CallsUnderWay {
 public:
  using Context = std::shared_ptr<grpc::ClientContext>;

  void Add(const Context& context) {
    absl::MutexLock lock(&mutex_);
    if (cancelled_) context->TryCancel();
    contexts_.insert(context);
  }
  void Remove(const Context& context) {
    absl::MutexLock lock(&mutex_);
    contexts_.erase(context);
  }
  void Stays(const std::string& session) {
    absl::MutexLock lock(&mutex_);
    sessions_.insert(session);
  }
  absl::flat_hash_set<std::string> TakeSessions() {
    absl::MutexLock lock(&mutex_);
    return std::exchange(sessions_, {});
  }
  void CancelAll() {
    std::vector<Context> contexts;
    {
      absl::MutexLock lock(&mutex_);
      cancelled_ = true;
      contexts.assign(contexts_.begin(), contexts_.end());
    }
    for (const Context& context : contexts) context->TryCancel();
  }

 private:
  absl::Mutex mutex_;
  absl::flat_hash_set<std::string> sessions_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<Context> contexts_ ABSL_GUARDED_BY(mutex_);
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
};

// One call, which destroys itself after its end.
class GenerateCall final : public grpc::ClientReadReactor<v1::GenerateResponse> {
 public:
  // `closes`: the session that it opened ends with it.
  GenerateCall(v1::GenerateRequest request, Stub& stub, CallsUnderWay& calls, bool closes,
               TextReader* reader)
      : request_(std::move(request)),
        stub_(stub),
        calls_(calls),
        closes_(closes),
        reader_(reader) {}

  void Run() {
    end_.session = request_.session();
    calls_.Add(context_);
    stub_.async()->Generate(context_.get(), &request_, this);
    StartRead(&response_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    if (response_.has_start()) {
      end_.session = response_.start().session();
      if (request_.open_session() && !closes_) calls_.Stays(end_.session);
    }
    if (response_.tokens_size() > 0) reader_->OnTokens(response_.tokens_size());
    if (response_.has_end() && response_.end().has_queue_time()) {
      end_.queue_time = ToDuration(response_.end().queue_time());
    }
    StartRead(&response_);
  }

  void OnDone(const grpc::Status& status) override {
    calls_.Remove(context_);
    end_.error = ErrorName(status);
    if (!closes_ || end_.session.empty()) return End();
    close_request_.set_name(end_.session);
    end_.session.clear();
    stub_.async()->CloseSession(&close_context_, &close_request_, &closed_,
                                [this](const grpc::Status&) { End(); });
  }

 private:
  void End() {
    TextReader* const reader = reader_;
    TextEnd end = std::move(end_);
    delete this;
    reader->OnEnd(std::move(end));
  }

  const v1::GenerateRequest request_;
  Stub& stub_;
  CallsUnderWay& calls_;
  const bool closes_;
  TextReader* const reader_;
  const CallsUnderWay::Context context_ = std::make_shared<grpc::ClientContext>();
  v1::GenerateResponse response_;
  TextEnd end_;
  grpc::ClientContext close_context_;
  v1::CloseSessionRequest close_request_;
  google::protobuf::Empty closed_;
};

class DerinTarget final : public LoadTarget {
 public:
  explicit DerinTarget(const LoadSettings& settings)
      : settings_(settings),
        common_(CommonRequest(settings)),
        channels_(OpenChannels(settings.server, settings.connections)) {
    for (const auto& channel : channels_) {
      stubs_.push_back(v1::GenerationService::NewStub(channel));
    }
  }

  bool Connect(absl::Duration timeout) override { return AwaitConnected(channels_, timeout); }

  void Start(const TextRequest& text, TextReader* reader) override {
    v1::GenerateRequest request = common_;
    request.set_seed(text.seed);
    if (text.session.empty()) {
      request.set_model("models/" + settings_.model);
      request.set_open_session(settings_.sessions != SessionReuse::kNone);
    } else {
      request.set_session(text.session);
    }
    auto* call = new GenerateCall(std::move(request), *stubs_[text.connection], calls_,
                                  settings_.sessions == SessionReuse::kCall, reader);
    call->Run();
  }

  void CancelAll() override { calls_.CancelAll(); }

  void CloseSessions() override {
    for (const std::string& session : calls_.TakeSessions()) {
      grpc::ClientContext context;
      v1::CloseSessionRequest request;
      google::protobuf::Empty closed;
      request.set_name(session);
      // One that the server has evicted is closed already.
      stubs_.front()->CloseSession(&context, request, &closed);
    }
  }

 private:
  const LoadSettings settings_;
  const v1::GenerateRequest common_;
  const std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::vector<std::unique_ptr<Stub>> stubs_;
  CallsUnderWay calls_;
};

}  // namespace

std::unique_ptr<LoadTarget> NewDerinTarget(const LoadSettings& settings) {
  return std::make_unique<DerinTarget>(settings);
}

}  // namespace derin
