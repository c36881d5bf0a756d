#include "server/rpc/generate_request.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/text/normalization.h"
#include "model/text/utf8.h"
#include "model/text/vocabulary.h"
#include "server/rpc/sampling_request.h"
#include "server/rpc/token_texts.h"
#include "server/status/error.h"
#include "server/storage/proto_time.h"
#include "server/storage/sha256.h"

namespace derin::server {
namespace {

constexpr int64_t kMaxTokens = 1'000'000;
constexpr int kMaxStopStrings = 16;
constexpr size_t kMaxStopBytes = 128;
constexpr int kMaxStopTokens = 64;
constexpr absl::Duration kMaxTimeBudget = absl::Hours(24);
constexpr absl::Duration kMaxMessageInterval = absl::Seconds(10);

constexpr size_t kMaxRequestIdBytes = 128;

absl::Status ParseRetry(const v1::GenerateRequest& request, GenerationRequest& parsed) {
  const bool keeps = request.has_session() || request.open_session();
  if (request.request_id().size() > kMaxRequestIdBytes) {
    return InvalidField("request_id",
                        absl::StrFormat("got %d bytes, wanted at most %d",
                                        request.request_id().size(), kMaxRequestIdBytes));
  }
  if (!request.request_id().empty()) {
    if (!keeps) {
      return InvalidField("request_id",
                          "makes no sense with model alone, of which nothing is kept: wanted "
                          "session or open_session with it, or seed instead");
    }
    parsed.key = {request.request_id(), RequestDigest(request)};
  }
  if (!request.has_resume_after_position()) return absl::OkStatus();
  parsed.resume_after = request.resume_after_position();
  parsed.must_replay = keeps;
  if (*parsed.resume_after < 0) {
    return InvalidField("resume_after_position",
                        absl::StrFormat("got %d, wanted 0 or more", *parsed.resume_after));
  }
  if (keeps && request.request_id().empty()) {
    return InvalidField("resume_after_position",
                        "got none of request_id, wanted that of the session's last call");
  }
  if (!keeps && !request.has_seed()) {
    return InvalidField("resume_after_position",
                        "got model without seed, whose text would be another one: wanted the seed "
                        "of the text's start with it");
  }
  return absl::OkStatus();
}

constexpr int kMaxContinuations = 16;

absl::Status ParseContinuations(const v1::GenerateRequest& request, GenerationRequest& parsed) {
  if (!request.has_continuations()) return absl::OkStatus();
  parsed.continuations = request.continuations();
  if (parsed.continuations < 1 || parsed.continuations > kMaxContinuations) {
    return InvalidField("continuations", absl::StrFormat("got %d, wanted 1 to %d",
                                                         parsed.continuations, kMaxContinuations));
  }
  const std::string_view other = request.echo()                        ? "echo"
                                 : !request.request_id().empty()       ? "request_id"
                                 : request.has_resume_after_position() ? "resume_after_position"
                                                                       : "";
  if (other.empty()) return absl::OkStatus();
  return InvalidField("continuations", absl::StrCat("makes no sense with ", std::string(other),
                                                    ": wanted one of the two"));
}

absl::Status CheckPrompt(const v1::GenerateRequest& request, int64_t max_prompt_bytes) {
  int64_t size = 0;
  std::string_view field = "prompt", unit = "bytes";
  switch (request.prompt_source_case()) {
    case v1::GenerateRequest::kPrompt:
      size = static_cast<int64_t>(request.prompt().size());
      break;
    case v1::GenerateRequest::kPromptBytes:
      field = "prompt_bytes";
      size = static_cast<int64_t>(request.prompt_bytes().size());
      break;
    case v1::GenerateRequest::kPromptTokens:
      field = "prompt_tokens";
      unit = "tokens";
      size = request.prompt_tokens().tokens_size();
      break;
    case v1::GenerateRequest::PROMPT_SOURCE_NOT_SET:
      break;
  }
  if (size > max_prompt_bytes) {
    return InvalidField(
        field,
        absl::StrFormat("got %d %s, wanted at most the %d of the server's --max-prompt-bytes", size,
                        unit, max_prompt_bytes));
  }
  if (request.echo() && size == 0) {
    return InvalidField("echo",
                        "got true without a prompt, wanted prompt, prompt_bytes or "
                        "prompt_tokens with it");
  }
  return absl::OkStatus();
}

absl::Status ParseStops(const v1::GenerateRequest& request, GenerationRequest& parsed) {
  if (request.stop_strings_size() > kMaxStopStrings) {
    return InvalidField(
        "stop_strings",
        absl::StrFormat("got %d, wanted at most %d", request.stop_strings_size(), kMaxStopStrings));
  }
  for (int i = 0; i < request.stop_strings_size(); ++i) {
    const std::string& stop = request.stop_strings(i);
    if (stop.empty() || stop.size() > kMaxStopBytes) {
      return InvalidField(
          absl::StrFormat("stop_strings[%d]", i),
          absl::StrFormat("got %d bytes, wanted 1 to %d", stop.size(), kMaxStopBytes));
    }
    parsed.stop_names.push_back(stop);
  }
  if (request.stop_tokens_size() > kMaxStopTokens) {
    return InvalidField("stop_tokens", absl::StrFormat("got %d, wanted at most %d",
                                                       request.stop_tokens_size(), kMaxStopTokens));
  }
  parsed.stop_tokens.assign(request.stop_tokens().begin(), request.stop_tokens().end());
  const bool stops = request.stop_strings_size() > 0 || request.stop_tokens_size() > 0;
  parsed.include_stop = request.include_stop();
  if (parsed.include_stop && !stops) {
    return InvalidField("include_stop",
                        "got true without a stop, wanted stop_strings or "
                        "stop_tokens with it");
  }
  if (!request.has_min_tokens()) return absl::OkStatus();
  parsed.min_tokens = request.min_tokens();
  if (parsed.min_tokens < 0 || parsed.min_tokens > parsed.max_tokens) {
    return InvalidField("min_tokens", absl::StrFormat("got %d, wanted 0 to max_tokens, %d",
                                                      parsed.min_tokens, parsed.max_tokens));
  }
  if (parsed.min_tokens > 0 && !stops) {
    return InvalidField("min_tokens",
                        absl::StrFormat("got %d without a stop, wanted stop_strings or "
                                        "stop_tokens with it",
                                        parsed.min_tokens));
  }
  return absl::OkStatus();
}

absl::Status ParseTimes(const v1::GenerateRequest& request, GenerationRequest& parsed) {
  if (request.has_time_budget()) {
    parsed.time_budget = FromProtoDuration(request.time_budget());
    if (parsed.time_budget <= absl::ZeroDuration() || parsed.time_budget > kMaxTimeBudget) {
      return InvalidField(
          "time_budget",
          absl::StrCat("got ", absl::FormatDuration(parsed.time_budget),
                       ", wanted more than 0 and at most ", absl::FormatDuration(kMaxTimeBudget)));
    }
  }
  if (!request.has_message_interval()) return absl::OkStatus();
  const absl::Duration interval = FromProtoDuration(request.message_interval());
  if (interval < absl::ZeroDuration() || interval > kMaxMessageInterval) {
    return InvalidField("message_interval",
                        absl::StrCat("got ", absl::FormatDuration(interval), ", wanted 0 to ",
                                     absl::FormatDuration(kMaxMessageInterval)));
  }
  if (request.per_token()) {
    return InvalidField("message_interval", "makes no sense with per_token: wanted one of the two");
  }
  parsed.message_interval = interval;
  return absl::OkStatus();
}

// Stop tokens that may never be drawn, or that leave none before min_tokens.
absl::Status CheckStopTokens(const GenerationRequest& parsed, int32_t vocabulary_size) {
  absl::Status status = CheckTokens(parsed.stop_tokens, vocabulary_size, "stop_tokens");
  if (!status.ok()) return status;
  const TokenRules& rules = parsed.rules;
  const absl::flat_hash_set<int32_t> allowed(rules.allowed.begin(), rules.allowed.end());
  absl::flat_hash_set<int32_t> banned(rules.banned.begin(), rules.banned.end());
  if (!parsed.sampling.allow_unknown) banned.insert(Vocabulary::kUnknown);
  absl::flat_hash_set<int32_t> stops;
  for (const int32_t token : parsed.stop_tokens) {
    stops.insert(token);
    const bool may_be_drawn =
        !banned.contains(token) && (allowed.empty() || allowed.contains(token));
    if (may_be_drawn) continue;
    return InvalidField(
        "stop_tokens", absl::StrFormat("got token %d, which is never drawn: see sampling.%s", token,
                                       !allowed.empty()                ? "allowed_tokens"
                                       : token == Vocabulary::kUnknown ? "allow_unknown"
                                                                       : "banned_tokens"));
  }
  const size_t drawable = allowed.empty() ? vocabulary_size - banned.size() : allowed.size();
  if (parsed.min_tokens > 0 && stops.size() >= drawable) {
    return InvalidField("stop_tokens",
                        "got all tokens that may be drawn, which leaves none for "
                        "the first min_tokens");
  }
  return absl::OkStatus();
}

// More logits that are treated apart from the others than a draw may have.
absl::Status CheckAdjustments(const GenerationRequest& parsed, int32_t vocabulary_size) {
  const TokenRules& rules = parsed.rules;
  // Of tokens that are not allowed there is nothing to adjust, and the lists of the others are
  // short enough.
  if (!rules.allowed.empty() || vocabulary_size <= kMostAdjustments) return absl::OkStatus();
  const size_t stops = parsed.min_tokens > 0 ? parsed.stop_tokens.size() : 0;
  const size_t tokens = rules.bias.size() + rules.banned.size() + stops + rules.penalty_window;
  if (tokens <= kMostAdjustments) return absl::OkStatus();
  return InvalidField(
      "sampling",
      absl::StrFormat("got %d tokens with a bias, %d that are banned, a penalty_window of %d and "
                      "%d stop_tokens with min_tokens, wanted at most %d together",
                      rules.bias.size(), rules.banned.size(), rules.penalty_window, stops,
                      kMostAdjustments));
}

absl::Status FitStopStrings(const LoadedVersion& version, GenerationRequest& parsed) {
  for (size_t i = 0; i < parsed.stop_names.size(); ++i) {
    std::string stop = NormalizePrompt(parsed.stop_names[i], version.normalization);
    if (stop.empty()) {
      return InvalidField(
          absl::StrFormat("stop_strings[%d]", i),
          absl::StrFormat("got %s, of which the model's normalisation leaves nothing",
                          Quoted(parsed.stop_names[i])));
    }
    parsed.stop_strings.push_back(std::move(stop));
  }
  return absl::OkStatus();
}

// The prompt as tokens, into `parsed`; what the vocabulary lacks, into `start`.
absl::Status FitPrompt(const v1::GenerateRequest& request, const LoadedVersion& version,
                       GenerationRequest& parsed, v1::GenerateStart& start) {
  const Tokenizer& tokenizer = version.tokenizer;
  if (request.has_prompt_tokens()) {
    const auto& tokens = request.prompt_tokens().tokens();
    parsed.prompt.assign(tokens.begin(), tokens.end());
    return CheckTokens(parsed.prompt, tokenizer.vocabulary_size(), "prompt_tokens.tokens");
  }
  if (request.has_prompt_bytes()) {
    if (tokenizer.tokenization() != Tokenization::kBytes) {
      return InvalidField("prompt_bytes",
                          absl::StrFormat("got bytes for a model whose tokens are %s, wanted "
                                          "prompt or prompt_tokens",
                                          std::string(TokenizationName(tokenizer.tokenization()))));
    }
    parsed.prompt = tokenizer.Encode(request.prompt_bytes()).tokens;
    return absl::OkStatus();
  }
  Tokenizer::Encoded encoded =
      tokenizer.EncodePrompt(NormalizePrompt(request.prompt(), version.normalization));
  parsed.prompt = std::move(encoded.tokens);
  start.set_unknown_count(encoded.unknown_count);
  start.mutable_unknown_characters()->Assign(encoded.unknown.begin(), encoded.unknown.end());
  return absl::OkStatus();
}

}  // namespace

v1::GenerateRequest TextOf(const v1::GenerateRequest& request) {
  v1::GenerateRequest text = request;
  text.clear_source();
  text.clear_open_session();
  text.clear_expected_position();
  text.clear_request_id();
  text.clear_resume_after_position();
  return text;
}

std::string RequestDigest(const v1::GenerateRequest& request) {
  const v1::GenerateRequest same = TextOf(request);
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream output(&stream);
    output.SetSerializationDeterministic(true);  // of maps, too
    same.SerializeToCodedStream(&output);
  }
  return Sha256Hex(bytes);
}

absl::StatusOr<GenerationRequest> ParseGenerateRequest(const v1::GenerateRequest& request,
                                                       int64_t max_prompt_bytes) {
  if (request.source_case() == v1::GenerateRequest::SOURCE_NOT_SET) {
    return InvalidField("session", "got neither a session nor a model, wanted one of the two");
  }
  absl::Status status = CheckPrompt(request, max_prompt_bytes);
  if (!status.ok()) return status;
  GenerationRequest parsed;
  if (request.has_max_tokens()) {
    parsed.max_tokens = request.max_tokens();
    if (parsed.max_tokens < 1 || parsed.max_tokens > kMaxTokens) {
      return InvalidField("max_tokens",
                          absl::StrFormat("got %d, wanted 1 to %d", parsed.max_tokens, kMaxTokens));
    }
  }
  status = ParseSampling(request.sampling(), parsed.sampling, parsed.rules);
  if (status.ok()) status = ParseStops(request, parsed);
  if (status.ok()) status = ParseTimes(request, parsed);
  if (!status.ok()) return status;
  parsed.echo = request.echo();
  if (request.open_session() && request.source_case() != v1::GenerateRequest::kModel) {
    return InvalidField("open_session", "makes no sense with session: wanted model with it");
  }
  if (request.has_expected_position()) {
    parsed.expected_position = request.expected_position();
    if (*parsed.expected_position < 0) {
      return InvalidField("expected_position",
                          absl::StrFormat("got %d, wanted 0 or more", *parsed.expected_position));
    }
    if (request.source_case() != v1::GenerateRequest::kSession) {
      return InvalidField("expected_position",
                          "makes no sense without session: a model begins at 0 always");
    }
  }
  status = ParseContinuations(request, parsed);
  if (status.ok()) status = ParseRetry(request, parsed);
  if (!status.ok()) return status;
  if (request.has_log_probabilities()) {
    parsed.ranked = request.log_probabilities();
    if (parsed.ranked < 0 || parsed.ranked > kMostRanked) {
      return InvalidField("log_probabilities",
                          absl::StrFormat("got %d, wanted 0 to %d", parsed.ranked, kMostRanked));
    }
  }
  if (request.has_seed()) parsed.seed = request.seed();
  parsed.per_token = request.per_token();
  return parsed;
}

GenerationRequest PromptOf(GenerationRequest request) {
  return {.prompt = std::move(request.prompt),
          .only_prompt = true,
          .source = std::move(request.source),
          .seed = request.seed,
          .time_budget = request.time_budget,
          .arrival = request.arrival};
}

v1::GenerateRequest ContinuationOf(const v1::GenerateRequest& request) {
  v1::GenerateRequest text = TextOf(request);
  text.clear_prompt_source();
  text.clear_continuations();
  text.clear_seed();
  return text;
}

absl::StatusOr<GenerationRequest> ParseAgain(const v1::GenerateRequest& text,
                                             const LoadedVersion& version,
                                             int64_t max_prompt_bytes) {
  v1::GenerateRequest request = text;
  request.set_session("sessions/again");  // it was found already
  absl::StatusOr<GenerationRequest> parsed = ParseGenerateRequest(request, max_prompt_bytes);
  if (!parsed.ok()) return parsed.status();
  v1::GenerateStart start;
  absl::Status status = FitToVersion(request, version, *parsed, start);
  if (!status.ok()) return status;
  return parsed->continuations > 0 ? PromptOf(*std::move(parsed)) : *std::move(parsed);
}

absl::Status FitToVersion(const v1::GenerateRequest& request, const LoadedVersion& version,
                          GenerationRequest& parsed, v1::GenerateStart& start) {
  const int32_t vocabulary_size = version.tokenizer.vocabulary_size();
  absl::Status status = AddTokensByText(request.sampling(), version, parsed.rules);
  if (status.ok()) {
    status = CheckTokenRules(parsed.rules, parsed.sampling.allow_unknown, vocabulary_size);
  }
  if (status.ok()) status = CheckStopTokens(parsed, vocabulary_size);
  if (status.ok()) status = CheckAdjustments(parsed, vocabulary_size);
  if (status.ok()) status = FitStopStrings(version, parsed);
  if (status.ok()) status = FitPrompt(request, version, parsed, start);
  return status;
}

}  // namespace derin::server
