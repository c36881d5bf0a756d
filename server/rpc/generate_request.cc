#include "server/rpc/generate_request.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "model/text/normalization.h"
#include "model/text/utf8.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

constexpr double kMaxTemperature = 100;
constexpr int32_t kMaxTopK = 1'000'000;
constexpr int64_t kMaxTokens = 1'000'000;

absl::StatusOr<SamplingSettings> ParseSampling(const v1::SamplingSettings& sampling) {
  SamplingSettings settings;
  if (sampling.has_temperature()) {
    const double temperature = sampling.temperature();
    if (!(temperature >= 0 && temperature <= kMaxTemperature)) {
      return InvalidField("sampling.temperature",
                          absl::StrFormat("got %g, wanted 0 to %g", temperature, kMaxTemperature));
    }
    settings.temperature = static_cast<float>(temperature);
  }
  if (sampling.has_top_k()) {
    if (sampling.top_k() < 0 || sampling.top_k() > kMaxTopK) {
      return InvalidField("sampling.top_k",
                          absl::StrFormat("got %d, wanted 0 to %d", sampling.top_k(), kMaxTopK));
    }
    settings.top_k = sampling.top_k();
  }
  if (sampling.has_top_p()) {
    const double top_p = sampling.top_p();
    if (!(top_p > 0 && top_p <= 1)) {
      return InvalidField("sampling.top_p",
                          absl::StrFormat("got %g, wanted more than 0 and at most 1", top_p));
    }
    // The smallest are 0 as a float, which is no share.
    settings.top_p = std::max(static_cast<float>(top_p), std::numeric_limits<float>::min());
  }
  settings.allow_unknown = sampling.allow_unknown();
  return settings;
}

}  // namespace

absl::StatusOr<GenerationRequest> ParseGenerateRequest(const v1::GenerateRequest& request,
                                                       int64_t max_prompt_bytes) {
  if (request.source_case() == v1::GenerateRequest::SOURCE_NOT_SET) {
    return InvalidField("session", "got neither a session nor a model, wanted one of the two");
  }
  const auto prompt_bytes = static_cast<int64_t>(request.prompt().size());
  if (prompt_bytes > max_prompt_bytes) {
    return InvalidField("prompt", absl::StrFormat("got %d bytes, wanted at most %d", prompt_bytes,
                                                  max_prompt_bytes));
  }
  GenerationRequest parsed;
  if (request.has_max_tokens()) {
    parsed.max_tokens = request.max_tokens();
    if (parsed.max_tokens < 1 || parsed.max_tokens > kMaxTokens) {
      return InvalidField("max_tokens",
                          absl::StrFormat("got %d, wanted 1 to %d", parsed.max_tokens, kMaxTokens));
    }
  }
  absl::StatusOr<SamplingSettings> sampling = ParseSampling(request.sampling());
  if (!sampling.ok()) return sampling.status();
  parsed.sampling = *sampling;
  if (request.has_seed()) parsed.seed = request.seed();
  parsed.per_token = request.per_token();
  return parsed;
}

void EncodePrompt(const v1::GenerateRequest& request, const LoadedVersion& version,
                  GenerationRequest& parsed, v1::GenerateStart& start) {
  Tokenizer::Encoded encoded =
      version.tokenizer.Encode(NormalizePrompt(request.prompt(), version.normalization));
  parsed.prompt = std::move(encoded.tokens);
  start.set_unknown_count(encoded.unknown_count);
  for (const char32_t character : encoded.unknown_characters) {
    AppendCharacter(character, *start.add_unknown_characters());
  }
}

}  // namespace derin::server
