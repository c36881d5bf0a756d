#include "server/rpc/token_texts.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_format.h"
#include "model/text/normalization.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

constexpr int kMostTexts = 1024;
constexpr char kAllowed[] = "sampling.allowed_texts";
constexpr char kBanned[] = "sampling.banned_texts";

bool Contains(const std::vector<int32_t>& tokens, int32_t token) {
  return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
}

template <typename Texts>
absl::Status Add(const Texts& texts, const char* field, const LoadedVersion& version,
                 std::vector<int32_t>& tokens) {
  if (texts.size() > kMostTexts) {
    return InvalidField(
        field, absl::StrFormat("got %d texts, wanted at most %d", texts.size(), kMostTexts));
  }
  for (int i = 0; i < texts.size(); ++i) {
    const std::vector<int32_t> found =
        version.tokenizer.TokensOf(NormalizePrompt(texts[i], version.normalization));
    if (found.empty()) {
      return InvalidField(absl::StrFormat("%s[%d]", field, i),
                          absl::StrFormat("got %s, wanted the text of one token that the model's "
                                          "vocabulary has",
                                          Quoted(texts[i])));
    }
    for (const int32_t token : found) {
      if (!Contains(tokens, token)) tokens.push_back(token);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status AddTokensByText(const v1::SamplingSettings& sampling, const LoadedVersion& version,
                             TokenRules& rules) {
  if (sampling.allowed_texts().empty() && sampling.banned_texts().empty()) return absl::OkStatus();
  absl::Status status = Add(sampling.allowed_texts(), kAllowed, version, rules.allowed);
  if (status.ok()) status = Add(sampling.banned_texts(), kBanned, version, rules.banned);
  if (!status.ok()) return status;
  if (!rules.allowed.empty() && !rules.banned.empty()) {
    return InvalidField(sampling.banned_texts().empty() ? kAllowed : kBanned,
                        "got both tokens that are allowed and tokens that are banned, wanted one "
                        "of the two at most: what is not allowed is banned");
  }
  for (const auto& [token, bias] : rules.bias) {
    if (!Contains(rules.banned, token) &&
        (rules.allowed.empty() || Contains(rules.allowed, token))) {
      continue;
    }
    return InvalidField(absl::StrFormat("sampling.logit_bias[%d]", token),
                        absl::StrFormat("got a bias for token %d, which %s", token,
                                        rules.allowed.empty() ? "sampling.banned_texts bans"
                                                              : "is not among those allowed"));
  }
  return absl::OkStatus();
}

}  // namespace derin::server
