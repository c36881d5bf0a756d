#include "server/rpc/generate_request.h"

#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "model/text/normalization.h"
#include "model/text/utf8.h"
#include "server/rpc/sampling_request.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

constexpr int64_t kMaxTokens = 1'000'000;

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
  absl::Status sampling = ParseSampling(request.sampling(), parsed.sampling, parsed.rules);
  if (!sampling.ok()) return sampling;
  if (request.has_seed()) parsed.seed = request.seed();
  parsed.per_token = request.per_token();
  return parsed;
}

absl::Status FitToVersion(const v1::GenerateRequest& request, const LoadedVersion& version,
                          GenerationRequest& parsed, v1::GenerateStart& start) {
  absl::Status rules = CheckTokenRules(parsed.rules, parsed.sampling.allow_unknown,
                                       version.tokenizer.vocabulary_size());
  if (!rules.ok()) return rules;
  Tokenizer::Encoded encoded =
      version.tokenizer.Encode(NormalizePrompt(request.prompt(), version.normalization));
  parsed.prompt = std::move(encoded.tokens);
  start.set_unknown_count(encoded.unknown_count);
  for (const char32_t character : encoded.unknown_characters) {
    AppendCharacter(character, *start.add_unknown_characters());
  }
  return absl::OkStatus();
}

}  // namespace derin::server
