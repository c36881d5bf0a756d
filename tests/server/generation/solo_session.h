#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/server/generation/tiny_version.h"

namespace derin::server {

// What a session is, in plain terms: the tokens that it absorbed, the one that it drew last, and
// the text that it has not sent yet.
struct SoloSession {
  std::vector<int32_t> absorbed;
  std::optional<int32_t> pending;
  uint64_t seed = 0;
  uint32_t stream = 0;
  std::string tail;  // drawn text that may become a stop string
  size_t sent = 0;   // bytes of it

  int64_t position() const { return static_cast<int64_t>(absorbed.size()); }
};

// Runs calls one by one, each from the first token of its session on, with a model of its own: the
// oracle of sessions that are batched, interrupted and forked. Tokens are those of TinyVersion.
class SoloRunner {
 public:
  explicit SoloRunner(Backend& backend)
      : version_(TinyVersion(backend)),
        pool_(*HiddenStatePool::Create(backend, ElementType::kF32,
                                       StateElements(version_->model->config()), 2)),
        queue_(*backend.NewQueue(QueuePriority::kGeneration)) {}

  struct Result {
    std::string text;
    std::string held_back;  // by the session, after the call
    std::vector<int32_t> tokens;
    // Of the call when nothing broke it; unspecified before that.
    v1::FinishReason reason = v1::FINISH_REASON_UNSPECIFIED;
  };
  // The call until its end, or until the session is at `position`, where it was broken.
  Result Run(SoloSession& session, const GenerationRequest& request, int64_t position) {
    Result result;
    std::vector<int32_t> ahead;
    if (session.pending.has_value()) ahead.push_back(*session.pending);
    ahead.insert(ahead.end(), request.prompt.begin(), request.prompt.end());
    if (ahead.empty() && !request.only_prompt) ahead.push_back(Vocabulary::kUnknown);
    if (request.seed.has_value()) session.seed = *request.seed;
    result.held_back = session.tail.substr(session.sent);
    if (session.position() == position) return result;
    if (request.only_prompt) {
      TakePrompt(session, position, std::move(ahead), result);
      return result;
    }
    if (!request.prompt.empty()) {
      result.text += session.tail.substr(session.sent);
      session.tail.clear();
      session.sent = 0;
    } else {
      SendWhatIsClear(session, request, result);
    }
    Replay(session);
    while (session.position() < position && result.reason == v1::FINISH_REASON_UNSPECIFIED) {
      const int32_t token = ahead.front();
      ahead.erase(ahead.begin());
      session.pending.reset();
      if (!ahead.empty()) {
        Step(session, token, {.forced_token = ahead.front()}, {});
        continue;
      }
      const int32_t drawn = Draw(session, token, request, result.tokens.size());
      session.pending = drawn;
      ahead.push_back(drawn);
      result.tokens.push_back(drawn);
      Take(session, request, drawn, result);
    }
    result.held_back = session.tail.substr(session.sent);
    return result;
  }

  // ln p of each token of `text` behind the session, which stays as it is.
  std::vector<float> Score(SoloSession session, const std::vector<int32_t>& text) {
    int32_t last = session.pending.value_or(Vocabulary::kUnknown);
    Replay(session);
    std::vector<float> scores;
    for (const int32_t token : text) {
      LanguageModel::Row row{.token = last, .slot = 1, .from_zero = session.absorbed.empty()};
      row.sample.forced_token = token;
      row.sample.ranked = 0;
      std::vector<TokenLogProbability> ranking(kRankingSize);
      int32_t next = -1;
      EXPECT_TRUE(
          version_->model->Step(*queue_, *pool_, {&row, 1}, {&next, 1}, absl::MakeSpan(ranking))
              .ok());
      session.absorbed.push_back(last);
      scores.push_back(ranking[0].log_probability);
      last = token;
    }
    return scores;
  }

 private:
  static bool Contains(const std::vector<int32_t>& tokens, int32_t token) {
    return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
  }

  int32_t Step(SoloSession& session, int32_t token, const SampleRow& sample,
               const std::vector<LogitAdjustment>& adjustments) {
    LanguageModel::Row row{.token = token, .slot = 1, .from_zero = session.absorbed.empty()};
    row.sample = sample;
    row.adjustments = adjustments;
    int32_t next = -1;
    EXPECT_TRUE(version_->model->Step(*queue_, *pool_, {&row, 1}, {&next, 1}).ok());
    session.absorbed.push_back(token);
    return next;
  }

  // All but the last of `ahead` goes in, and that waits; or as far as `position`.
  void TakePrompt(SoloSession& session, int64_t position, std::vector<int32_t> ahead,
                  Result& result) {
    if (ahead.size() > 1) {
      result.text = session.tail.substr(session.sent);
      session.tail.clear();
      session.sent = 0;
      session.pending.reset();
      result.held_back.clear();
    }
    Replay(session);
    while (session.position() < position && ahead.size() > 1) {
      Step(session, ahead[0], {.forced_token = ahead[1]}, {});
      ahead.erase(ahead.begin());
    }
    if (ahead.size() == 1) session.pending = ahead[0];
  }

  void Replay(SoloSession& session) {
    for (const int32_t token : std::exchange(session.absorbed, {})) {
      Step(session, token, {.forced_token = 0}, {});
    }
  }

  int32_t Draw(SoloSession& session, int32_t token, const GenerationRequest& request,
               size_t drawn) {
    const TokenRules& rules = request.rules;
    std::vector<int32_t> recent = session.absorbed;
    recent.push_back(token);
    const size_t window = std::min<size_t>(recent.size(), rules.penalty_window);
    std::map<int32_t, LogitAdjustment> by_token;
    for (size_t i = recent.size() - window; i < recent.size(); ++i) ++by_token[recent[i]].count;
    for (const auto& [biased, bias] : rules.bias) by_token[biased].bias = bias;
    for (const int32_t banned : rules.banned) by_token[banned].bias = kBanned;
    if (static_cast<int64_t>(drawn) < request.min_tokens) {
      for (const int32_t stop : request.stop_tokens) by_token[stop].bias = kBanned;
    }
    std::vector<LogitAdjustment> adjustments;
    for (auto& [adjusted, adjustment] : by_token) {
      adjustment.token = adjusted;
      adjustments.push_back(adjustment);
    }
    return Step(session, token,
                {.settings = request.sampling,
                 .seed = session.seed,
                 .stream = session.stream,
                 .position = session.position() + 1},
                adjustments);
  }

  // What a drawn token brings: text, or the end.
  void Take(SoloSession& session, const GenerationRequest& request, int32_t token, Result& result) {
    const bool may_stop = static_cast<int64_t>(result.tokens.size()) > request.min_tokens;
    const char letter = static_cast<char>('a' + token - 1);
    if (Contains(request.stop_tokens, token)) {
      result.text += session.tail.substr(session.sent);
      if (request.include_stop) result.text += letter;
      session.tail.clear();
      session.sent = 0;
      result.reason = v1::FINISH_REASON_STOP_TOKEN;
      return;
    }
    session.tail += letter;
    std::string stop;
    for (const std::string& one : request.stop_strings) {
      if (may_stop && one.size() > stop.size() && session.tail.ends_with(one)) stop = one;
    }
    if (!stop.empty()) {
      const size_t end = session.tail.size() - (request.include_stop ? 0 : stop.size());
      if (end > session.sent) result.text += session.tail.substr(session.sent, end - session.sent);
      session.tail.clear();
      session.sent = 0;
      result.reason = v1::FINISH_REASON_STOP_STRING;
      return;
    }
    SendWhatIsClear(session, request, result);
    if (static_cast<int64_t>(result.tokens.size()) == request.max_tokens) {
      result.reason = v1::FINISH_REASON_LENGTH;
    }
  }

  // All but the longest end that begins a stop string.
  static void SendWhatIsClear(SoloSession& session, const GenerationRequest& request,
                              Result& result) {
    size_t keep = 0;
    for (const std::string& stop : request.stop_strings) {
      for (size_t length = 1; length < stop.size(); ++length) {
        if (session.tail.ends_with(stop.substr(0, length))) keep = std::max(keep, length);
      }
    }
    const size_t start = session.tail.size() - keep;
    const size_t end = request.include_stop ? session.tail.size() : start;
    if (end > session.sent) result.text += session.tail.substr(session.sent, end - session.sent);
    session.sent = std::max(session.sent, end) - start;
    session.tail.erase(0, start);
  }

  const std::shared_ptr<const LoadedVersion> version_;
  const std::unique_ptr<HiddenStatePool> pool_;
  const std::unique_ptr<Queue> queue_;
};

}  // namespace derin::server
