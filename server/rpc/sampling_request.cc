#include "server/rpc/sampling_request.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/text/vocabulary.h"
#include "server/generation/recent_tokens.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

constexpr double kMaxTemperature = 100;
constexpr int32_t kMaxTopK = 1'000'000;
constexpr double kMinRepetitionPenalty = 0.1, kMaxRepetitionPenalty = 10;
constexpr double kMaxShift = 100;  // of a logit, by a penalty or a bias
constexpr int kMaxListed = 1024;

// `value` into `to` when it is from `least` to `most`.
absl::Status TakeBetween(std::string_view field, double value, double least, double most,
                         float& to) {
  if (!(value >= least && value <= most)) {
    return InvalidField(field, absl::StrFormat("got %g, wanted %g to %g", value, least, most));
  }
  to = static_cast<float>(value);
  return absl::OkStatus();
}

// `value` into `to` when it is above 0 and at most 1.
absl::Status TakeShare(std::string_view field, double value, float& to) {
  if (!(value > 0 && value <= 1)) {
    return InvalidField(field, absl::StrFormat("got %g, wanted more than 0 and at most 1", value));
  }
  // The smallest are 0 as a float, which is no share.
  to = std::max(static_cast<float>(value), std::numeric_limits<float>::min());
  return absl::OkStatus();
}

absl::Status ParseFilters(const v1::SamplingSettings& sampling, SamplingSettings& settings) {
  absl::Status status;
  if (sampling.has_temperature()) {
    status.Update(TakeBetween("sampling.temperature", sampling.temperature(), 0, kMaxTemperature,
                              settings.temperature));
  }
  if (sampling.has_top_k()) {
    if (sampling.top_k() < 0 || sampling.top_k() > kMaxTopK) {
      status.Update(InvalidField(
          "sampling.top_k", absl::StrFormat("got %d, wanted 0 to %d", sampling.top_k(), kMaxTopK)));
    }
    settings.top_k = sampling.top_k();
  }
  if (sampling.has_typical_p()) {
    status.Update(TakeShare("sampling.typical_p", sampling.typical_p(), settings.typical_p));
  }
  if (sampling.has_top_p()) {
    status.Update(TakeShare("sampling.top_p", sampling.top_p(), settings.top_p));
  }
  if (sampling.has_min_p()) {
    status.Update(TakeBetween("sampling.min_p", sampling.min_p(), 0, 1, settings.min_p));
  }
  settings.allow_unknown = sampling.allow_unknown();
  return status;
}

// The most probable token alone is taken at temperature 0: what would leave out others says
// nothing.
absl::Status CheckFiltersOfTemperatureZero(const SamplingSettings& settings) {
  if (settings.temperature > 0) return absl::OkStatus();
  const std::pair<std::string_view, bool> filters[] = {
      {"sampling.top_k", settings.top_k > 1},
      {"sampling.typical_p", settings.typical_p < 1},
      {"sampling.top_p", settings.top_p < 1},
      {"sampling.min_p", settings.min_p > 0}};
  for (const auto& [field, filters_something] : filters) {
    if (!filters_something) continue;
    return InvalidField(field,
                        "makes no sense with sampling.temperature 0, which takes the most probable "
                        "token always: wanted one of the two");
  }
  return absl::OkStatus();
}

absl::Status ParsePenalties(const v1::SamplingSettings& sampling, SamplingSettings& settings,
                            TokenRules& rules) {
  absl::Status status;
  if (sampling.has_repetition_penalty()) {
    status.Update(TakeBetween("sampling.repetition_penalty", sampling.repetition_penalty(),
                              kMinRepetitionPenalty, kMaxRepetitionPenalty,
                              settings.repetition_penalty));
  }
  if (sampling.has_presence_penalty()) {
    status.Update(TakeBetween("sampling.presence_penalty", sampling.presence_penalty(), -kMaxShift,
                              kMaxShift, settings.presence_penalty));
  }
  if (sampling.has_frequency_penalty()) {
    status.Update(TakeBetween("sampling.frequency_penalty", sampling.frequency_penalty(),
                              -kMaxShift, kMaxShift, settings.frequency_penalty));
  }
  const bool penalizes = settings.repetition_penalty != 1 || settings.presence_penalty != 0 ||
                         settings.frequency_penalty != 0;
  if (penalizes) rules.penalty_window = RecentTokens::kCapacity;
  if (!sampling.has_penalty_window() || !status.ok()) return status;
  const int32_t window = sampling.penalty_window();
  if (window < 1 || window > RecentTokens::kCapacity) {
    return InvalidField("sampling.penalty_window",
                        absl::StrFormat("got %d, wanted 1 to %d", window, RecentTokens::kCapacity));
  }
  if (!penalizes) {
    return InvalidField(
        "sampling.penalty_window",
        absl::StrFormat("got %d without a penalty, wanted one of sampling.repetition_penalty, "
                        "sampling.presence_penalty and sampling.frequency_penalty with it",
                        window));
  }
  rules.penalty_window = window;
  return absl::OkStatus();
}

absl::Status CheckLength(std::string_view field, int size) {
  if (size <= kMaxListed) return absl::OkStatus();
  return InvalidField(field, absl::StrFormat("got %d tokens, wanted at most %d", size, kMaxListed));
}

absl::Status ParseLists(const v1::SamplingSettings& sampling, TokenRules& rules) {
  absl::Status status = CheckLength("sampling.logit_bias", sampling.logit_bias_size());
  status.Update(CheckLength("sampling.allowed_tokens", sampling.allowed_tokens_size()));
  status.Update(CheckLength("sampling.banned_tokens", sampling.banned_tokens_size()));
  if (!status.ok()) return status;
  if (sampling.allowed_tokens_size() > 0 && sampling.banned_tokens_size() > 0) {
    return InvalidField(
        "sampling.banned_tokens",
        "got both sampling.allowed_tokens and sampling.banned_tokens, wanted one of "
        "the two at most: what is not allowed is banned");
  }
  const auto& allowed = sampling.allowed_tokens();
  const auto& banned = sampling.banned_tokens();
  rules.allowed.assign(allowed.begin(), allowed.end());
  rules.banned.assign(banned.begin(), banned.end());
  for (const auto& [token, bias] : sampling.logit_bias()) {
    float value = 0;
    const std::string field = absl::StrCat("sampling.logit_bias[", token, "]");
    status = TakeBetween(field, bias, -kMaxShift, kMaxShift, value);
    if (!status.ok()) return status;
    const auto contains = [token = token](const auto& list) {
      return std::find(list.begin(), list.end(), token) != list.end();
    };
    // Where tokens are allowed by their text, too, the model's version tells.
    const bool lacking = !allowed.empty() && sampling.allowed_texts().empty() && !contains(allowed);
    if (contains(banned) || lacking) {
      return InvalidField(
          field, absl::StrFormat("got a bias for token %d, which %s", token,
                                 allowed.empty() ? "sampling.banned_tokens bans"
                                                 : "sampling.allowed_tokens does not allow"));
    }
    rules.bias.emplace_back(token, value);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseSampling(const v1::SamplingSettings& sampling, SamplingSettings& settings,
                           TokenRules& rules) {
  absl::Status status = ParseFilters(sampling, settings);
  if (status.ok()) status = CheckFiltersOfTemperatureZero(settings);
  if (status.ok()) status = ParsePenalties(sampling, settings, rules);
  if (status.ok()) status = ParseLists(sampling, rules);
  return status;
}

absl::Status CheckTokens(absl::Span<const int32_t> tokens, int32_t vocabulary_size,
                         std::string_view field) {
  for (const int32_t token : tokens) {
    if (token >= 0 && token < vocabulary_size) continue;
    return InvalidField(field, absl::StrFormat("got token %d, wanted 0 to %d: the model's "
                                               "vocabulary has %d tokens",
                                               token, vocabulary_size - 1, vocabulary_size));
  }
  return absl::OkStatus();
}

absl::Status CheckTokenRules(const TokenRules& rules, bool allow_unknown, int32_t vocabulary_size) {
  absl::Status status = CheckTokens(rules.allowed, vocabulary_size, "sampling.allowed_tokens");
  status.Update(CheckTokens(rules.banned, vocabulary_size, "sampling.banned_tokens"));
  for (const auto& [token, bias] : rules.bias) {
    status.Update(CheckTokens({&token, 1}, vocabulary_size, "sampling.logit_bias"));
    if (token == Vocabulary::kUnknown && !allow_unknown) {
      status.Update(InvalidField("sampling.logit_bias",
                                 "got a bias for token 0, `<unk>`, which is not drawn without "
                                 "sampling.allow_unknown"));
    }
  }
  if (!status.ok()) return status;
  absl::flat_hash_set<int32_t> banned(rules.banned.begin(), rules.banned.end());
  if (!allow_unknown) {
    if (std::find(rules.allowed.begin(), rules.allowed.end(), Vocabulary::kUnknown) !=
        rules.allowed.end()) {
      return InvalidField(
          "sampling.allowed_tokens",
          "got token 0, `<unk>`, which is not drawn without sampling.allow_unknown");
    }
    banned.insert(Vocabulary::kUnknown);
  }
  if (static_cast<int32_t>(banned.size()) >= vocabulary_size) {
    return InvalidField("sampling.banned_tokens",
                        absl::StrFormat("got all of the vocabulary's %d tokens, wanted one left "
                                        "to be drawn",
                                        vocabulary_size));
  }
  return absl::OkStatus();
}

}  // namespace derin::server
