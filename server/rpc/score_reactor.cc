#include "server/rpc/score_reactor.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "server/rpc/drawn_log_probability.h"
#include "server/rpc/session_owner.h"
#include "server/status/error.h"

namespace derin::server {

void TextScore::AddText(std::string_view text, int64_t unknown_count) {
  // Every byte of UTF-8 but those within a character begins one.
  characters_ += std::count_if(text.begin(), text.end(), [](char byte) {
    return (static_cast<uint8_t>(byte) & 0xC0) != 0x80;
  });
  unknown_count_ += unknown_count;
}

void TextScore::AddToken(double log_probability) {
  ++tokens_;
  log_probability_ += log_probability;
}

v1::ScoreTotals TextScore::totals() const {
  v1::ScoreTotals totals;
  totals.set_tokens(tokens_);
  totals.set_characters(characters_);
  totals.set_unknown_count(unknown_count_);
  totals.set_log_probability(log_probability_);
  if (tokens_ == 0) return totals;
  totals.set_perplexity(std::exp(-log_probability_ / static_cast<double>(tokens_)));
  totals.set_bits_per_character(-log_probability_ / std::log(2.0) /
                                static_cast<double>(characters_));
  return totals;
}

ScoreReactor::ScoreReactor(AdmittedCall call, const Parts& parts)
    : call_(std::move(call)), parts_(parts) {
  StartRead(&request_);
}

absl::Status ScoreReactor::Begin(const v1::ScoreTextHeader& header) {
  if (header.has_log_probabilities()) {
    ranked_ = header.log_probabilities();
    if (ranked_ < 0 || ranked_ > kMostRanked) {
      return InvalidField("header.log_probabilities",
                          absl::StrFormat("got %d, wanted 0 to %d", ranked_, kMostRanked));
    }
  }
  v1::ScoreTextStart& start = *response_.mutable_start();
  switch (header.source_case()) {
    case v1::ScoreTextHeader::SOURCE_NOT_SET:
      return InvalidField("header.model", "got neither a session nor a model, wanted one of them");
    case v1::ScoreTextHeader::kSession: {
      const auto found = parts_.sessions.Acquire(
          header.session(), OwnerFor(parts_.sessions, header.session(), call_.caller()),
          "header.session");
      if (!found.ok()) return found.status();
      Session& from = *found->session;
      if (absl::Status begun = from.TryBegin(); !begun.ok()) return begun;
      auto fork = parts_.sessions.ForkBegun(from, {.same_stream = true}, /*for_one_call=*/true);
      from.End(absl::Now());
      if (!fork.ok()) return fork.status();
      session_ = *std::move(fork);
      break;
    }
    case v1::ScoreTextHeader::kModel: {
      auto version = parts_.sessions.Version(header.model(), "header.model");
      if (!version.ok()) return version.status();
      auto opened = parts_.sessions.OpenForOneCall(*std::move(version), call_.caller().name,
                                                   /*seed=*/0);
      if (!opened.ok()) return opened.status();
      session_ = *std::move(opened);
      break;
    }
  }
  const LoadedVersion& version = *session_->version();
  start.set_model_version(version.version.name());
  start.set_position(session_->state.position);
  start.set_engine_id(version.engine_id);
  start.set_engine_changed(version.engine_changed);
  normalizer_.emplace(version.normalization);
  return absl::OkStatus();
}

absl::Status ScoreReactor::TakeText(std::string_view bytes, bool last) {
  if (static_cast<int64_t>(bytes.size()) > parts_.max_text_bytes) {
    return InvalidField("text",
                        absl::StrFormat("got %d bytes in one message, wanted at most the %d of the "
                                        "server's --max-prompt-bytes",
                                        bytes.size(), parts_.max_text_bytes));
  }
  std::string normalized;
  absl::Status status = normalizer_->Append(bytes, normalized);
  if (status.ok() && last) status = normalizer_->Finish(normalized);
  if (!status.ok()) {
    return InvalidField("text", std::string_view(status.message().data(), status.message().size()));
  }
  text_ += characters_.Append(normalized);
  const Tokenizer& tokenizer = session_->version()->tokenizer;
  const std::string text = text_.substr(0, last ? text_.size() : tokenizer.CertainBytes(text_));
  text_.erase(0, text.size());
  Tokenizer::Encoded encoded = tokenizer.Encode(text);
  score_.AddText(text, encoded.unknown_count);
  return Score(std::move(encoded.tokens));
}

absl::Status ScoreReactor::Score(std::vector<int32_t> tokens) {
  if (tokens.empty()) {
    EndPart();
    return absl::OkStatus();
  }
  absl::Status begun = session_->TryBegin();
  if (!begun.ok()) return begun;
  GenerationRequest request{.prompt = std::move(tokens),
                            .ranked = std::max(ranked_, 0),
                            .only_prompt = true,
                            .scores = true,
                            .continues = std::exchange(began_, true),
                            .arrival = parts_.engine.Now(),
                            .account = call_.caller().account};
  auto generation = std::make_shared<Generation>(std::move(request), session_, this);
  generation_.Set(generation);
  part_done_ = false;
  return parts_.engine.Start(std::move(generation));
}

void ScoreReactor::OnReadDone(bool ok) {
  parts_.threads.Run([this, ok] { Take(ok); });
}

void ScoreReactor::Take(bool ok) {
  absl::Status status;
  if (!ok) {
    last_ = true;
    if (session_ == nullptr) {
      return End(InvalidField("header", "got none, wanted one in the first message"));
    }
    status = TakeText("", /*last=*/true);
  } else if (session_ == nullptr) {
    if (!request_.has_header()) {
      return End(InvalidField("header", "got none, wanted one in the first message"));
    }
    status = Begin(request_.header());
    if (status.ok()) status = TakeText(request_.text(), /*last=*/false);
  } else if (request_.has_header()) {
    status = InvalidField("header", "got another one, wanted it in the first message only");
  } else {
    status = TakeText(request_.text(), /*last=*/false);
  }
  // When it went well the engine, or a write, has this object now.
  if (!status.ok()) End(status);
}

void ScoreReactor::Send(StreamPiece piece) {
  for (const auto& ranking : piece.rankings) score_.AddToken(ranking.front().log_probability);
  if (ranked_ >= 0) {
    response_.mutable_tokens()->Add(piece.tokens.begin(), piece.tokens.end());
    for (const auto& ranking : piece.rankings) {
      *response_.add_log_probabilities() = DrawnLogProbability(ranking);
    }
  }
  if (!piece.end.has_value()) {
    if (ranked_ < 0) return NextPiece();
    return StartWrite(&response_);
  }
  absl::Status status = piece.end->status();
  if (status.ok() && (*piece.end)->finish_reason() == v1::FINISH_REASON_SERVER_STOPPING) {
    status = ServerStopping();
  }
  if (!status.ok()) return End(status);
  EndPart();
}

void ScoreReactor::EndPart() {
  part_done_ = true;
  *response_.mutable_totals() = score_.totals();
  if (!last_) return StartWrite(&response_);
  if (response_.totals().tokens() == 0) {
    return End(InvalidField("text",
                            "got none, wanted at least one character that the model's "
                            "normalisation leaves"));
  }
  response_.set_complete(true);
  StartWriteAndFinish(&response_, grpc::WriteOptions(), call_.End(absl::OkStatus()));
}

void ScoreReactor::OnWriteDone(bool) {
  response_.Clear();
  if (part_done_) return StartRead(&request_);
  NextPiece();
}

void ScoreReactor::NextPiece() { parts_.engine.Written(generation_.get()); }

void ScoreReactor::OnCancel() {
  generation_.Cancel();
  parts_.engine.Wake();
}

}  // namespace derin::server
