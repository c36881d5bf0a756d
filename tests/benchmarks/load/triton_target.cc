#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/benchmarks/load/channels.h"
#include "tests/benchmarks/load/load_target.h"
#include "tests/benchmarks/peers/triton.grpc.pb.h"

namespace derin {
namespace {

using Stub = inference::GRPCInferenceService::Stub;

// One text, token by token: the token that a reply brings goes into the next call. Destroys itself
// after its end. In calls of one reply, since with ModelStreamInfer the server (2.51) ended with a
// segmentation fault at 64 streams again and again.
class Sequence {
 public:
  // It ends with the next token when `ending` becomes true.
  Sequence(const LoadSettings& settings, Stub& stub, const std::atomic<bool>& ending,
           TextReader* reader)
      : settings_(settings), stub_(stub), ending_(ending), reader_(reader) {}

  void Run(uint64_t number) {
    request_.set_model_name(settings_.model);
    auto& parameters = *request_.mutable_parameters();
    parameters["sequence_id"].set_int64_param(static_cast<int64_t>(number));
    parameters["sequence_start"].set_bool_param(true);
    auto& input = *request_.add_inputs();
    input.set_name("TOKEN");
    input.set_datatype("INT32");
    input.add_shape(1);
    input.add_shape(1);
    request_.add_raw_input_contents()->assign(sizeof(int32_t), '\0');
    Ask();
  }

 private:
  void Ask() {
    // The answer to the prompt's last token brings the first of the text. What a prompt forces does
    // not matter to the server's time, so it is what was drawn.
    ended_ = ending_ || answers_ + 1 == settings_.prompt_length + settings_.output_length - 1;
    (*request_.mutable_parameters())["sequence_end"].set_bool_param(ended_);
    context_.emplace();
    stub_.async()->ModelInfer(&*context_, &request_, &response_,
                              [this](const grpc::Status& status) { OnAnswer(status); });
  }

  void OnAnswer(const grpc::Status& status) {
    if (status.ok() && ++answers_ >= settings_.prompt_length) reader_->OnTokens(1);
    if (!status.ok() || ended_) {
      TextReader* const reader = reader_;
      delete this;
      return reader->OnEnd({.error = ErrorName(status)});
    }
    (*request_.mutable_parameters())["sequence_start"].set_bool_param(false);
    *request_.mutable_raw_input_contents(0) = response_.raw_output_contents(0);
    Ask();
  }

  const LoadSettings& settings_;
  Stub& stub_;
  const std::atomic<bool>& ending_;
  TextReader* const reader_;
  std::optional<grpc::ClientContext> context_;
  inference::ModelInferRequest request_;
  inference::ModelInferResponse response_;
  bool ended_ = false;
  int answers_ = 0;
};

class TritonTarget final : public LoadTarget {
 public:
  explicit TritonTarget(const LoadSettings& settings)
      : settings_(settings), channels_(OpenChannels(settings.server, settings.connections)) {
    for (const auto& channel : channels_) {
      stubs_.push_back(inference::GRPCInferenceService::NewStub(channel));
    }
  }

  bool Connect(absl::Duration timeout) override { return AwaitConnected(channels_, timeout); }

  void Start(const TextRequest& text, TextReader* reader) override {
    auto* sequence = new Sequence(settings_, *stubs_[text.connection], ending_, reader);
    sequence->Run(text.seed);
  }

  void CancelAll() override { ending_ = true; }
  void CloseSessions() override {}  // a sequence is over with its text

 private:
  const LoadSettings settings_;
  const std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::vector<std::unique_ptr<Stub>> stubs_;
  std::atomic<bool> ending_ = false;
};

}  // namespace

std::unique_ptr<LoadTarget> NewTritonTarget(const LoadSettings& settings) {
  return std::make_unique<TritonTarget>(settings);
}

}  // namespace derin
