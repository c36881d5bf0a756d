#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace derin::client {

// Positions of a session, both included.
struct PositionRange {
  int64_t first = 0;
  int64_t last = 0;
};

// How well the server keeps a session.
enum class Durability {
  // A value that this client does not know.
  kUnspecified,
  // It ends with the server's process.
  kNone,
  // It outlives the process, however that ends.
  kProcess,
  // It outlives a loss of power.
  kPower,
};

// Where the state of a session is; one that is far away comes back when it is called.
enum class SessionTier {
  // A value that this client does not know, or no session.
  kUnspecified,
  // In the device's memory.
  kDevice,
  // In the server's memory.
  kHost,
  // On disk only.
  kDisk,
};

// A conversation whose hidden state the server keeps between calls of Generate.
struct Session {
  // `sessions/ID`. It ends when it is closed, at its expire_time, and, with Durability::kNone, with
  // the server's process.
  std::string name;
  // `models/ID/versions/N`, the version it keeps.
  std::string model_version;
  std::optional<absl::Time> create_time;
  // Tokens absorbed so far: prompts and drawn ones, and the `<unk>` that a text from nothing begins
  // after.
  int64_t position = 0;
  // Of its draws.
  uint64_t seed = 0;
  // What computes it, such as `cpu/f32/1`; the same id means the same bits.
  std::string engine_id;
  // Since when no call generates in it; unset while one does.
  std::optional<absl::Time> idle_since;
  // Of its draws, beside the seed: 0, or what its fork drew.
  uint32_t stream = 0;
  // Where RewindSession may go, ascending: inside the last call, from its start on, and where some
  // earlier calls began.
  std::vector<PositionRange> remembered;
  SessionTier tier = SessionTier::kUnspecified;
  Durability durability = Durability::kUnspecified;
  // When it ends unless a call uses it; unset while one generates in it.
  std::optional<absl::Time> expire_time;
  // The caller that opened it; `local` where the server had no tokens.
  std::string owner;
};

struct SessionOptions {
  // Of its draws. Default: drawn by the server; of an imported one, what it was.
  std::optional<uint64_t> seed;
  // Default: Durability::kProcess.
  std::optional<Durability> durability;
  // How long it stays when no call uses it. Default: ServerLimits::session_time_to_live, which is
  // the most.
  std::optional<absl::Duration> time_to_live;
};

struct ForkOptions {
  // Of the new session's draws. Default: that of the one it starts from.
  std::optional<uint64_t> seed;
  // Keep the stream, too, so that with the same seed both draw the same.
  bool same_stream = false;
};

// How a token is drawn. In this order: penalties, bias, allowed and banned tokens, temperature,
// top-k, typical, top-p, min-p, draw. Tokens are the vocabulary's ids, as GenerateCallbacks::text
// gets them.
struct SamplingSettings {
  // Logits are divided by it, 0 to 100; 0 takes the most probable token always. Default 1.
  std::optional<double> temperature;
  // Keep the k most probable tokens, 0 to 1,000,000; default 0: all.
  std::optional<int32_t> top_k;
  // Keep the smallest set of most probable tokens whose probabilities add up to p, in (0, 1];
  // default 1: all.
  std::optional<double> top_p;
  // Let `<unk>`, token 0, be drawn.
  bool allow_unknown = false;
  // Keep the tokens at least so many times as probable as the most probable one, 0 to 1; default 0:
  // all.
  std::optional<double> min_p;
  // Keep the smallest set of tokens whose information is nearest to its mean and whose
  // probabilities add up to this, in (0, 1]; default 1: all.
  std::optional<double> typical_p;
  // The logit of each recent token is divided by it when above 0 and multiplied when below, 0.1 to
  // 10; default 1: none.
  std::optional<double> repetition_penalty;
  // Subtracted from the logit of each recent token: the first once, the second for each time that
  // it is there, -100 to 100; default 0.
  std::optional<double> presence_penalty;
  std::optional<double> frequency_penalty;
  // How many of the last tokens, prompts included, are recent, 1 to 256; default 256.
  std::optional<int32_t> penalty_window;
  // Added to the logits of these tokens, -100 to 100.
  std::map<int32_t, double> logit_bias;
  // Only these are drawn; empty: all.
  std::vector<int32_t> allowed_tokens;
  // These are not drawn.
  std::vector<int32_t> banned_tokens;
  // The same by their text, 1,024 each; of a word, with and without the space before it.
  std::vector<std::string> allowed_texts;
  std::vector<std::string> banned_texts;

  bool operator==(const SamplingSettings&) const = default;
};

struct GenerateOptions {
  // Exactly one of the two. `models/ID` (its latest version), `models/ID/versions/N` or
  // `models/ID/aliases/ALIAS`: from a zero state, and nothing is kept.
  std::string model;
  // `sessions/ID`: the text goes on where the session's last call ended.
  std::string session;
  // Absorbed first; at most one of the three. UTF-8, at most 1 MiB; passes the model's
  // normalisation.
  std::string prompt;
  // Bytes as they are, for a model whose tokens are bytes.
  std::string prompt_bytes;
  // Tokens by their ids.
  std::vector<int32_t> prompt_tokens;
  // Send the prompt's text, as the model sees it, before the drawn text.
  bool echo = false;
  // How many tokens to draw, 1 to 1,000,000; default 200.
  std::optional<int32_t> max_tokens;
  // The first so many tokens do not stop the text, 0 to max_tokens; only with a stop. Default 0.
  std::optional<int32_t> min_tokens;
  // The text ends before the first of these in what the call draws; 16 at most, 1 to 128 bytes
  // each.
  std::vector<std::string> stop_strings;
  // Or before the first of these tokens, 64 at most.
  std::vector<int32_t> stop_tokens;
  // It ends after them instead.
  bool include_stop = false;
  SamplingSettings sampling;
  // Replaces the session's seed from here on. Default: the session's own, or one that the server
  // draws.
  std::optional<uint64_t> seed;
  // The text ends at the first token after so much time, above 0 and at most 24 hours.
  std::optional<absl::Duration> time_budget;
  // One message for each token; otherwise the first token at once, then at most one message in each
  // message_interval.
  bool per_token = false;
  // 0 to 10 seconds; default 2 milliseconds, up to 20 while the server makes many texts at once.
  std::optional<absl::Duration> message_interval;
  // Report the log-probability of each drawn token, and of so many of the most probable ones, 0 to
  // 20.
  std::optional<int32_t> log_probabilities;
  // Refuse the call unless the session is at this position.
  std::optional<int64_t> expected_position;
  // With a model: open a session that stays when the call ends; GenerateStart::session names it.
  bool open_session = false;
  // 1 to 128 bytes that no other call has: as long as it is the session's last one, the same call
  // sent again makes the same text from its beginning. Default: one that is drawn; not with a model
  // whose state is not kept.
  std::string request_id;
  // A text that has begun and loses its connection, or ends with a server that stops, is asked for
  // again so many times in a row,
  // waiting twice as long each time, 2 s at most; the callbacks get each piece once. Of a text
  // without a session, too.
  int reconnect_tries = 10;
  absl::Duration reconnect_wait = absl::Milliseconds(250);
};

// A token and ln p, p the softmax of the model's own logits: before anything that sampling does.
struct TokenLogProbability {
  int32_t token = 0;
  float log_probability = 0;
};

// How probable a drawn token was for the model.
struct DrawnLogProbability {
  float log_probability = 0;
  // Falling.
  std::vector<TokenLogProbability> most_probable;
};

// Known before the first token is drawn.
struct GenerateStart {
  // Empty when there is no session.
  std::string session;
  // `models/ID/versions/N`.
  std::string model_version;
  uint64_t seed = 0;
  // Tokens absorbed before this call.
  int64_t position = 0;
  // How many of the prompt's tokens became `<unk>`, characters or words, and which (each once, 32
  // at most).
  int64_t unknown_count = 0;
  std::vector<std::string> unknown_characters;
  // What computes the text, such as `cpu/f32/1`; the same id means the same bits.
  std::string engine_id;
  // Whether that is another engine than the version's own precision asks for (a version trained in
  // bf16, say, is computed in f32 where the server's device has no bf16), or than computed the
  // session until now.
  bool engine_changed = false;
  // Where the session's state was when the call came.
  SessionTier tier = SessionTier::kUnspecified;
};

enum class FinishReason {
  // A value that this client does not know.
  kUnspecified,
  // max_tokens were drawn.
  kLength,
  // The session was closed by another call, or its model was deleted.
  kSessionClosed,
  // The server stops; what was drawn until then is complete.
  kServerStopping,
  // One of stop_strings was drawn.
  kStopString,
  // One of stop_tokens was drawn.
  kStopToken,
  // time_budget is spent.
  kTime,
};

// Known when the last token is drawn.
struct GenerateEnd {
  FinishReason finish_reason = FinishReason::kUnspecified;
  // Of this call's prompt.
  int64_t prompt_tokens = 0;
  // Drawn by this call.
  int64_t generated_tokens = 0;
  // Tokens absorbed after this call; the last drawn one is absorbed by the next. A text from
  // nothing begins after one `<unk>`, which counts here and not in prompt_tokens.
  int64_t position = 0;
  // From the request's arrival to the first prompt token's step, and to the first drawn token.
  absl::Duration queue_time = absl::ZeroDuration();
  absl::Duration first_token_time = absl::ZeroDuration();
  // Of the drawn tokens, from the first to the last; 0 when there is only one.
  double tokens_per_second = 0;
  // What ended the text, when one of them did.
  std::string stop_string;
  std::optional<int32_t> stop_token;
  // From the first step to the first drawn token: what the prompt took.
  absl::Duration prompt_time = absl::ZeroDuration();
};

// Called on the calling thread as messages arrive; empty ones are skipped. False stops the call.
struct GenerateCallbacks {
  // Once, before any text.
  std::function<bool(const GenerateStart& start)> start;
  // The next piece of the text, always whole characters, and the tokens drawn meanwhile.
  std::function<bool(std::string_view text, const std::vector<int32_t>& tokens)> text;
  // Before the text of the same message: one for each of its tokens, when they were asked for.
  std::function<bool(const std::vector<DrawnLogProbability>&)> log_probabilities;
  // The connection broke with `error`; the rest is asked for again when this returns.
  std::function<void(const absl::Status& error)> reconnecting;
};

// The same for several texts from one prompt, which come in any order, each known by its number
// from 0.
struct ContinuationCallbacks {
  // Once, before any text: of the session that the prompt went into, and what that had held back.
  std::function<bool(const GenerateStart& start, std::string_view held_back)> prompt;
  // Each text: once before it, then its pieces, and once after it.
  std::function<bool(int number, const GenerateStart& start)> start;
  std::function<bool(int number, std::string_view text, const std::vector<int32_t>& tokens,
                     const std::vector<DrawnLogProbability>& log_probabilities)>
      text;
  std::function<bool(int number, const GenerateEnd& end)> end;
};

}  // namespace derin::client
