#include "server/rpc/sampling_request.h"

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/generation/recent_tokens.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

struct Parsed {
  absl::Status status;
  SamplingSettings settings;
  TokenRules rules;
};

Parsed Parse(const v1::SamplingSettings& sampling) {
  Parsed parsed;
  parsed.status = ParseSampling(sampling, parsed.settings, parsed.rules);
  return parsed;
}

using Set = std::function<void(v1::SamplingSettings&)>;

absl::Status Refused(const Set& set) {
  v1::SamplingSettings sampling;
  set(sampling);
  return Parse(sampling).status;
}

TEST(ParseSampling, UnsetFieldsAreTheDocumentedDefaults) {
  const Parsed parsed = Parse({});
  ASSERT_TRUE(parsed.status.ok()) << parsed.status;
  EXPECT_EQ(parsed.settings.temperature, 1);
  EXPECT_EQ(parsed.settings.top_k, 0);
  EXPECT_EQ(parsed.settings.typical_p, 1);
  EXPECT_EQ(parsed.settings.top_p, 1);
  EXPECT_EQ(parsed.settings.min_p, 0);
  EXPECT_EQ(parsed.settings.repetition_penalty, 1);
  EXPECT_EQ(parsed.settings.presence_penalty, 0);
  EXPECT_EQ(parsed.settings.frequency_penalty, 0);
  EXPECT_FALSE(parsed.settings.allow_unknown);
  EXPECT_TRUE(parsed.rules.empty());
}

TEST(ParseSampling, TakesWhatIsSet) {
  v1::SamplingSettings sampling;
  sampling.set_temperature(0.5);
  sampling.set_top_k(5);
  sampling.set_typical_p(0.75);
  sampling.set_top_p(0.5);
  sampling.set_min_p(0.125);
  sampling.set_repetition_penalty(1.5);
  sampling.set_presence_penalty(-2);
  sampling.set_frequency_penalty(3);
  sampling.set_penalty_window(7);
  sampling.set_allow_unknown(true);
  (*sampling.mutable_logit_bias())[4] = -1.5;
  sampling.add_allowed_tokens(4);
  sampling.add_allowed_tokens(6);
  const Parsed parsed = Parse(sampling);
  ASSERT_TRUE(parsed.status.ok()) << parsed.status;
  EXPECT_EQ(parsed.settings.temperature, 0.5f);
  EXPECT_EQ(parsed.settings.top_k, 5);
  EXPECT_EQ(parsed.settings.typical_p, 0.75f);
  EXPECT_EQ(parsed.settings.top_p, 0.5f);
  EXPECT_EQ(parsed.settings.min_p, 0.125f);
  EXPECT_EQ(parsed.settings.repetition_penalty, 1.5f);
  EXPECT_EQ(parsed.settings.presence_penalty, -2);
  EXPECT_EQ(parsed.settings.frequency_penalty, 3);
  EXPECT_TRUE(parsed.settings.allow_unknown);
  EXPECT_EQ(parsed.rules.penalty_window, 7);
  EXPECT_THAT(parsed.rules.bias, ElementsAre(std::pair(4, -1.5f)));
  EXPECT_THAT(parsed.rules.allowed, ElementsAre(4, 6));
}

TEST(ParseSampling, PenaltiesLookAtAllThatASessionRemembersUnlessToldOtherwise) {
  v1::SamplingSettings sampling;
  sampling.set_presence_penalty(1);
  EXPECT_EQ(Parse(sampling).rules.penalty_window, RecentTokens::kCapacity);
}

TEST(ParseSampling, TheSmallestSharesAreStillAboveZero) {
  v1::SamplingSettings sampling;
  sampling.set_top_p(1e-300);
  sampling.set_typical_p(1e-300);
  const Parsed parsed = Parse(sampling);
  ASSERT_TRUE(parsed.status.ok()) << parsed.status;
  EXPECT_GT(parsed.settings.top_p, 0);
  EXPECT_GT(parsed.settings.typical_p, 0);
}

TEST(ParseSampling, RefusesWhatIsOutOfRangeNamingTheField) {
  struct Range {
    const char* field;
    std::function<void(v1::SamplingSettings&, double)> set;
    std::vector<double> bad;
  };
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = HUGE_VAL;
  using S = v1::SamplingSettings;
  const Range ranges[] = {
      {"sampling.temperature",
       [](S& s, double v) { s.set_temperature(v); },
       {-0.1, 100.5, nan, inf}},
      {"sampling.top_k", [](S& s, double v) { s.set_top_k(static_cast<int>(v)); }, {-1, 1'000'001}},
      {"sampling.typical_p", [](S& s, double v) { s.set_typical_p(v); }, {0, -1, 1.01, nan}},
      {"sampling.top_p", [](S& s, double v) { s.set_top_p(v); }, {0, -1, 1.01, nan}},
      {"sampling.min_p", [](S& s, double v) { s.set_min_p(v); }, {-0.1, 1.01, nan}},
      {"sampling.repetition_penalty",
       [](S& s, double v) { s.set_repetition_penalty(v); },
       {0, 0.09, 10.1, nan, inf}},
      {"sampling.presence_penalty",
       [](S& s, double v) { s.set_presence_penalty(v); },
       {-101, 101, nan}},
      {"sampling.frequency_penalty",
       [](S& s, double v) { s.set_frequency_penalty(v); },
       {-101, 101, nan}},
      {"sampling.logit_bias[3]",
       [](S& s, double v) { (*s.mutable_logit_bias())[3] = v; },
       {-101, 101, nan, -inf}},
      {"sampling.penalty_window",
       [](S& s, double v) {
         s.set_presence_penalty(1);
         s.set_penalty_window(static_cast<int>(v));
       },
       {0, -1, 257}},
  };
  for (const Range& range : ranges) {
    for (const double bad : range.bad) {
      const absl::Status status = Refused([&](S& s) { range.set(s, bad); });
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << range.field << " " << bad;
      EXPECT_EQ(ErrorField(status), range.field) << bad;
    }
  }
}

TEST(ParseSampling, RefusesListsThatAreTooLong) {
  using S = v1::SamplingSettings;
  for (const auto& [field, add] :
       {std::pair<const char*, void (*)(S&, int)>(
            "sampling.allowed_tokens", [](S& s, int token) { s.add_allowed_tokens(token); }),
        {"sampling.banned_tokens", [](S& s, int token) { s.add_banned_tokens(token); }},
        {"sampling.logit_bias", [](S& s, int token) { (*s.mutable_logit_bias())[token] = 1; }}}) {
    v1::SamplingSettings sampling;
    for (int i = 0; i < 1024; ++i) add(sampling, i);
    EXPECT_TRUE(Parse(sampling).status.ok()) << field;
    add(sampling, 1024);
    EXPECT_EQ(ErrorField(Parse(sampling).status), field);
  }
}

TEST(ParseSampling, RefusesCombinationsThatMakeNoSenseNamingBothFields) {
  using S = v1::SamplingSettings;
  struct Combination {
    const char* field;
    const char* other;
    Set set;
  };
  const auto cold = [](auto set) {
    return [set](S& s) {
      s.set_temperature(0);
      set(s);
    };
  };
  const Combination combinations[] = {
      {"sampling.top_k", "sampling.temperature", cold([](S& s) { s.set_top_k(2); })},
      {"sampling.typical_p", "sampling.temperature", cold([](S& s) { s.set_typical_p(0.9); })},
      {"sampling.top_p", "sampling.temperature", cold([](S& s) { s.set_top_p(0.9); })},
      {"sampling.min_p", "sampling.temperature", cold([](S& s) { s.set_min_p(0.1); })},
      {"sampling.penalty_window", "sampling.repetition_penalty",
       [](S& s) { s.set_penalty_window(5); }},
      {"sampling.banned_tokens", "sampling.allowed_tokens",
       [](S& s) {
         s.add_allowed_tokens(1);
         s.add_banned_tokens(2);
       }},
      {"sampling.logit_bias[3]", "sampling.banned_tokens",
       [](S& s) {
         s.add_banned_tokens(3);
         (*s.mutable_logit_bias())[3] = 1;
       }},
      {"sampling.logit_bias[3]", "sampling.allowed_tokens",
       [](S& s) {
         s.add_allowed_tokens(2);
         (*s.mutable_logit_bias())[3] = 1;
       }},
  };
  for (const Combination& one : combinations) {
    const absl::Status status = Refused(one.set);
    EXPECT_EQ(ErrorField(status), one.field);
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(one.field), HasSubstr(one.other)));
  }
}

TEST(ParseSampling, TakesTemperatureZeroWithFiltersThatLeaveOutNothing) {
  v1::SamplingSettings sampling;
  sampling.set_temperature(0);
  sampling.set_top_k(1);
  sampling.set_top_p(1);
  sampling.set_typical_p(1);
  sampling.set_min_p(0);
  EXPECT_TRUE(Parse(sampling).status.ok());
}

TEST(CheckTokenRules, RefusesTokensOutsideOfTheVocabulary) {
  EXPECT_TRUE(CheckTokenRules({.allowed = {1, 4}}, false, 5).ok());
  for (const int32_t bad : {-1, 5}) {
    EXPECT_EQ(ErrorField(CheckTokenRules({.allowed = {bad}}, false, 5)), "sampling.allowed_tokens");
    EXPECT_EQ(ErrorField(CheckTokenRules({.banned = {bad}}, false, 5)), "sampling.banned_tokens");
    EXPECT_EQ(ErrorField(CheckTokenRules({.bias = {{bad, 1.0f}}}, false, 5)),
              "sampling.logit_bias");
  }
}

TEST(CheckTokenRules, SpeaksOfUnknownOnlyWhenItMayBeDrawn) {
  for (const TokenRules& rules : {TokenRules{.allowed = {0, 1}}, TokenRules{.bias = {{0, 1.0f}}}}) {
    EXPECT_THAT(std::string(CheckTokenRules(rules, false, 5).message()),
                HasSubstr("sampling.allow_unknown"));
    EXPECT_TRUE(CheckTokenRules(rules, true, 5).ok());
  }
}

TEST(CheckTokenRules, LeavesATokenToBeDrawn) {
  EXPECT_EQ(ErrorField(CheckTokenRules({.banned = {1, 2, 2}}, false, 3)), "sampling.banned_tokens");
  EXPECT_TRUE(CheckTokenRules({.banned = {1, 2}}, true, 3).ok());
  EXPECT_TRUE(CheckTokenRules({.banned = {1, 1, 0}}, false, 3).ok());
}

}  // namespace
}  // namespace derin::server
