// ModelService.ScoreText.

#include <utility>

#include "derin/client/client.h"
#include "derin/internal/connection.h"
#include "derin/internal/conversion.h"

namespace derin::client {

using internal::FromProto;

namespace {

constexpr size_t kChunkBytes = 64 * 1024;

// One text on its way: a part is sent, and what it scored is read, before the next.
class Scoring {
 public:
  Scoring(internal::Connection& connection, grpc::ClientContext& context,
          const ScoreCallbacks& callbacks)
      : stream_(connection.models().ScoreText(&context)), callbacks_(callbacks) {}

  // False when no more is to be sent: the server has ended the call, or a callback did.
  bool Send(const derin::v1::ScoreTextRequest& request) {
    return stream_->Write(request) && ReadPart();
  }
  grpc::Status Finish() {
    stream_->WritesDone();
    while (wanted_ && !complete_ && ReadPart()) {
    }
    return stream_->Finish();
  }

  bool wanted() const { return wanted_; }
  bool complete() const { return complete_; }
  const ScoreTotals& totals() const { return totals_; }

 private:
  // As far as the totals after a part.
  bool ReadPart() {
    derin::v1::ScoreTextResponse response;
    while (wanted_ && stream_->Read(&response)) {
      Handle(response);
      if (response.has_totals()) return wanted_;
    }
    return false;
  }

  void Handle(const derin::v1::ScoreTextResponse& response) {
    if (response.has_start() && callbacks_.start) {
      wanted_ = callbacks_.start(FromProto(response.start()));
    }
    if (wanted_ && callbacks_.tokens && response.tokens_size() > 0) {
      std::vector<DrawnLogProbability> scored;
      for (const auto& one : response.log_probabilities()) scored.push_back(FromProto(one));
      wanted_ = callbacks_.tokens({response.tokens().begin(), response.tokens().end()}, scored);
    }
    if (!wanted_ || !response.has_totals()) return;
    totals_ = FromProto(response.totals());
    complete_ = response.complete();
    if (callbacks_.progress) wanted_ = callbacks_.progress(totals_);
  }

  const std::unique_ptr<
      grpc::ClientReaderWriter<derin::v1::ScoreTextRequest, derin::v1::ScoreTextResponse>>
      stream_;
  const ScoreCallbacks& callbacks_;
  bool wanted_ = true;
  bool complete_ = false;
  ScoreTotals totals_;
};

}  // namespace

absl::StatusOr<ScoreTotals> Client::ScoreText(const ScoreOptions& options, const ByteSource& source,
                                              const ScoreCallbacks& callbacks,
                                              Cancellation* cancellation) {
  if (options.model.empty() == options.session.empty()) {
    return absl::InvalidArgumentError("score: wanted exactly one of a model and a session");
  }
  derin::v1::ScoreTextRequest request;
  derin::v1::ScoreTextHeader& header = *request.mutable_header();
  if (options.model.empty()) {
    header.set_session(options.session);
  } else {
    header.set_model(options.model);
  }
  if (options.log_probabilities.has_value()) {
    header.set_log_probabilities(*options.log_probabilities);
  }
  absl::Status valid = internal::CheckUtf8(request);
  if (!valid.ok()) return valid;

  grpc::ClientContext context;
  const internal::CancellationScope scope(cancellation, context);
  Scoring scoring(*connection_, context, callbacks);
  absl::Status read;
  for (bool more = true; more;) {
    std::string& chunk = *request.mutable_text();
    chunk.resize(kChunkBytes);
    const absl::StatusOr<size_t> count = source(absl::MakeSpan(&chunk[0], chunk.size()));
    if (!count.ok()) read = count.status();
    if (!count.ok() || (*count == 0 && !request.has_header())) break;
    chunk.resize(*count);
    more = scoring.Send(request);
    request.Clear();
  }
  if (!read.ok() || !scoring.wanted()) context.TryCancel();
  const absl::Status status = connection_->ToStatus(scoring.Finish());
  if (!read.ok()) return read;
  if (!scoring.wanted() ||
      (cancellation != nullptr && cancellation->cancelled() && !scoring.complete())) {
    return internal::StoppedByCaller();
  }
  if (!status.ok()) return status;
  if (!scoring.complete()) {
    return absl::DataLossError("the scores ended without the server's last message");
  }
  return scoring.totals();
}

}  // namespace derin::client
