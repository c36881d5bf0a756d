#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/field_flag.h"
#include "client/cli/formatting.h"
#include "client/cli/json_output.h"
#include "client/cli/missing_name.h"
#include "client/cli/options.h"
#include "client/cli/resource_name.h"

namespace derin::cli {
namespace {

struct GenerateFlags {
  // As typed, without the collections.
  std::string model;
  std::string session;
  client::GenerateOptions options;
  std::optional<int> continuations;
  bool verbose = false;
};

constexpr FieldFlag kFlags[] = {
    {"model", "--model"},
    {"session", "--session"},
    {"prompt", "--prompt"},
    {"prompt_bytes", "--prompt-hex"},
    {"prompt_tokens", "--prompt-token"},
    {"prompt_tokens.tokens", "--prompt-token"},
    {"echo", "--echo"},
    {"max_tokens", "--max-tokens"},
    {"min_tokens", "--min-tokens"},
    {"stop_strings", "--stop"},
    {"stop_tokens", "--stop-token"},
    {"include_stop", "--include-stop"},
    {"time_budget", "--time-budget"},
    {"message_interval", "--message-interval"},
    {"log_probabilities", "--log-probabilities"},
    {"expected_position", "--expected-position"},
    {"open_session", "--open-session"},
    {"request_id", "--request-id"},
    {"continuations", "--continuations"},
    {"sampling.temperature", "--temperature"},
    {"sampling.top_k", "--top-k"},
    {"sampling.typical_p", "--typical-p"},
    {"sampling.top_p", "--top-p"},
    {"sampling.min_p", "--min-p"},
    {"sampling.repetition_penalty", "--repetition-penalty"},
    {"sampling.presence_penalty", "--presence-penalty"},
    {"sampling.frequency_penalty", "--frequency-penalty"},
    {"sampling.penalty_window", "--penalty-window"},
    {"sampling.logit_bias", "--logit-bias"},
    {"sampling.allowed_tokens", "--allow-token"},
    {"sampling.banned_tokens", "--ban-token"},
    {"sampling.allowed_texts", "--allow-text"},
    {"sampling.banned_texts", "--ban-text"},
};

void AddSamplingFlags(CLI::App& command, client::SamplingSettings& sampling) {
  AddNumber(command, "--temperature", sampling.temperature,
            "0 to 100; above 1 bolder, below 1 safer, 0 always the most probable token [1]");
  AddNumber(command, "--top-k", sampling.top_k,
            "draw from the N most probable tokens only; 0: from all [0]");
  AddNumber(command, "--typical-p", sampling.typical_p,
            "draw from the tokens of most usual information that add up to this probability, "
            "above 0 to 1 [1]");
  AddNumber(command, "--top-p", sampling.top_p,
            "draw from the most probable tokens that add up to this probability, above 0 to 1 "
            "[1]");
  AddNumber(command, "--min-p", sampling.min_p,
            "draw from the tokens at least so many times as probable as the most probable one, "
            "0 to 1 [0]");
  AddNumber(command, "--repetition-penalty", sampling.repetition_penalty,
            "above 1 makes recent tokens less probable by a factor on their logits, 0.1 to 10 [1]");
  AddNumber(command, "--presence-penalty", sampling.presence_penalty,
            "subtracted from the logit of each recent token, -100 to 100 [0]");
  AddNumber(command, "--frequency-penalty", sampling.frequency_penalty,
            "the same for each time that the token is there, -100 to 100 [0]");
  AddNumber(command, "--penalty-window", sampling.penalty_window,
            "how many of the last tokens are recent, 1 to 256 [256]");
  AddNumbers(command, "--logit-bias", sampling.logit_bias,
             "added to the logit of a token, -100 to 100; TOKEN is its id, as --json shows it; may "
             "be repeated");
  AddNumbers(command, "--allow-token", sampling.allowed_tokens,
             "draw this token and others so allowed only; may be repeated");
  AddNumbers(command, "--ban-token", sampling.banned_tokens,
             "do not draw this token; may be repeated");
  AddTexts(command, "--allow-text", sampling.allowed_texts,
           "draw the token of this text, of a word with and without the space before it, and "
           "others so allowed only; may be repeated");
  AddTexts(command, "--ban-text", sampling.banned_texts,
           "do not draw the token of this text; may be repeated");
  command.add_flag("--allow-unknown", sampling.allow_unknown, "let <unk>, token 0, be drawn");
}

void AddFlags(CLI::App& command, GenerateFlags& flags) {
  client::GenerateOptions& options = flags.options;
  command
      .add_option("--model", flags.model,
                  "from a zero state; its latest version, or a certain one: NAME/versions/N or "
                  "NAME/aliases/ALIAS")
      ->type_name("NAME");
  command
      .add_option("--session", flags.session,
                  "go on where a session ended, as `derin sessions open` wrote it")
      ->type_name("ID");
  command
      .add_option("--prompt", options.prompt, "text to start from, at most 1 MiB; default: none")
      ->type_name("TEXT");
  command
      .add_option_function<std::string>(
          "--prompt-hex",
          [&options](const std::string& text) {
            options.prompt_bytes = absl::HexStringToBytes(text);
          },
          "bytes to start from instead, for a model of bytes: two hexadecimal digits each")
      ->type_name("HEX")
      ->check([](const std::string& text) -> std::string {
        const bool hex =
            text.size() % 2 == 0 && std::all_of(text.begin(), text.end(), absl::ascii_isxdigit);
        return hex ? "" : absl::StrCat("got '", text, "', wanted two hexadecimal digits a byte");
      });
  AddNumbers(command, "--prompt-token", options.prompt_tokens,
             "a token to start from instead, by its id; may be repeated");
  command.add_flag("--echo", options.echo, "write the prompt, too, as the model sees it");
  AddNumber(command, "--max-tokens", options.max_tokens, "tokens to draw, 1 to 1000000 [200]");
  AddNumber(command, "--min-tokens", options.min_tokens,
            "the first N tokens do not stop the text, 0 to --max-tokens [0]");
  AddTexts(command, "--stop", options.stop_strings,
           "end the text before this; may be repeated, 16 times at most");
  AddNumbers(command, "--stop-token", options.stop_tokens,
             "end the text before this token; may be repeated, 64 times at most");
  command.add_flag("--include-stop", options.include_stop, "end the text after what stops it");
  AddSamplingFlags(command, options.sampling);
  AddNumber(command, "--seed", options.seed,
            "the same seed draws the same text [the session's, or drawn]");
  command.add_flag("--open-session", options.open_session,
                   "with --model: keep the state in a session, which a note names");
  AddNumber(command, "--expected-position", options.expected_position,
            "refuse unless the session is at this position [wherever it is]");
  command
      .add_option("--request-id", options.request_id,
                  "with a session: the same call sent again with the same id makes the same text, "
                  "as long as it is the session's last one [drawn]")
      ->type_name("TEXT");
  command.add_flag("--per-token", options.per_token,
                   "one message per token; otherwise --message-interval says");
  AddTime(command, "--message-interval", options.message_interval,
          "at most one message in so long after the first, 0 to 10s [2ms to 20ms, by how much the "
          "server does]");
  AddTime(command, "--time-budget", options.time_budget,
          "end the text at the first token after so long, at most 24h [no end]");
  AddNumber(command, "--log-probabilities", options.log_probabilities,
            "with --json: ln p of each token, and of the N most probable ones, 0 to 20 [none]");
  AddNumber(command, "--continuations", flags.continuations,
            "make N texts of the prompt, 1 to 16, each in a session of its own where there is one; "
            "each is written when it ends [one]");
  command.add_flag("--verbose", flags.verbose,
                   "the closing line with figures, also when stderr is no terminal");
}

std::string UnknownNote(const client::GenerateStart& start) {
  const auto quoted = [](std::string* out, const std::string& character) {
    absl::StrAppend(out, "'", character, "'");
  };
  return absl::StrCat("note: ", start.unknown_count,
                      start.unknown_count == 1 ? " token" : " tokens",
                      " of the prompt became <unk>, since the model's vocabulary lacks: ",
                      absl::StrJoin(start.unknown_characters, " ", quoted));
}

std::string EngineNote(const client::GenerateStart& start) {
  return absl::StrCat(
      "note: the server's device lacks the precision that the model was trained in; ",
      "the text comes from engine ", start.engine_id);
}

// Text on standard output as it arrives, notes on standard error.
absl::Status GenerateText(CommandContext& context, client::Client& client,
                          const GenerateFlags& flags, const client::GenerateOptions& options) {
  Console& console = context.console();
  std::string session;
  char last = '\n';
  client::GenerateCallbacks callbacks;
  callbacks.start = [&](const client::GenerateStart& start) {
    session = start.session;
    if (options.open_session) console.err << "note: opened " << session << '\n' << std::flush;
    if (start.engine_changed) console.err << EngineNote(start) << '\n' << std::flush;
    if (start.unknown_count > 0) console.err << UnknownNote(start) << '\n' << std::flush;
    return true;
  };
  callbacks.text = [&](std::string_view text, const std::vector<int32_t>&) {
    console.out << text << std::flush;
    if (!text.empty()) last = text.back();
    return console.out.good();
  };
  callbacks.reconnecting = [&console](const absl::Status&) {
    console.err << "note: the connection is lost; trying again\n" << std::flush;
  };
  const auto end = client.Generate(options, callbacks, &console.interrupt);
  // Elsewhere than on a terminal the text is exactly what was drawn.
  if (console.out_is_terminal && last != '\n') console.out << '\n' << std::flush;
  if (!end.ok()) return end.status();
  if (end->finish_reason == client::FinishReason::kSessionClosed) {
    console.err << "note: the session was closed; the text ends here\n";
  } else if (end->finish_reason == client::FinishReason::kTime) {
    console.err << "note: the time budget is spent; the text ends here\n";
  } else if (end->finish_reason == client::FinishReason::kServerStopping) {
    console.err << "note: the server stops; the text ends here\n";
  }
  if (console.err_is_terminal || flags.verbose) {
    console.err << end->generated_tokens << " tokens, " << ShortNumber(end->tokens_per_second)
                << " tokens/s, first after " << ShortDuration(end->first_token_time);
    if (!session.empty()) console.err << ", " << session << " at " << end->position;
    console.err << '\n';
  }
  return absl::OkStatus();
}

absl::Status GenerateJson(CommandContext& context, client::Client& client,
                          const client::GenerateOptions& options) {
  Console& console = context.console();
  client::GenerateCallbacks callbacks;
  callbacks.start = [&](const client::GenerateStart& start) {
    PrintLine({{"start", ToJson(start)}}, console.out);
    return console.out.good();
  };
  Json ranked;
  callbacks.log_probabilities = [&](const std::vector<client::DrawnLogProbability>& drawn) {
    ranked = ListToJson("log_probabilities", drawn)["log_probabilities"];
    return true;
  };
  callbacks.text = [&](std::string_view text, const std::vector<int32_t>& tokens) {
    Json line = {{"text", text}, {"tokens", tokens}};
    if (!ranked.empty()) line["log_probabilities"] = std::exchange(ranked, {});
    PrintLine(line, console.out);
    return console.out.good();
  };
  callbacks.reconnecting = [&console](const absl::Status&) {
    console.err << "note: the connection is lost; trying again\n" << std::flush;
  };
  const auto end = client.Generate(options, callbacks, &console.interrupt);
  if (!end.ok()) return end.status();
  PrintLine({{"end", ToJson(*end)}}, console.out);
  return absl::OkStatus();
}

// Each text when it ends, below a line that says which it is; with --json as its messages come.
absl::Status GenerateSeveral(CommandContext& context, client::Client& client,
                             const client::GenerateOptions& options, int count) {
  Console& console = context.console();
  struct Text {
    std::string session, text;
  };
  std::map<int, Text> texts;
  std::string held_back;
  client::ContinuationCallbacks callbacks;
  callbacks.prompt = [&](const client::GenerateStart& start, std::string_view text) {
    if (context.json()) {
      PrintLine({{"start", ToJson(start)}, {"text", text}}, console.out);
      return console.out.good();
    }
    held_back = text;
    if (options.open_session) console.err << "note: opened " << start.session << '\n' << std::flush;
    if (start.engine_changed) console.err << EngineNote(start) << '\n' << std::flush;
    if (start.unknown_count > 0) console.err << UnknownNote(start) << '\n' << std::flush;
    return true;
  };
  callbacks.start = [&](int number, const client::GenerateStart& start) {
    texts[number] = {start.session, held_back};
    if (!context.json()) return true;
    PrintLine({{"continuation", number}, {"start", ToJson(start)}}, console.out);
    return console.out.good();
  };
  callbacks.text = [&](int number, std::string_view text, const std::vector<int32_t>& tokens,
                       const std::vector<client::DrawnLogProbability>& drawn) {
    texts[number].text += text;
    if (!context.json()) return true;
    Json line = {{"continuation", number}, {"text", text}, {"tokens", tokens}};
    if (!drawn.empty()) line.update(ListToJson("log_probabilities", drawn));
    PrintLine(line, console.out);
    return console.out.good();
  };
  callbacks.end = [&](int number, const client::GenerateEnd& end) {
    if (context.json()) {
      PrintLine({{"continuation", number}, {"end", ToJson(end)}}, console.out);
      return console.out.good();
    }
    const Text& one = texts[number];
    console.out << "--- " << number + 1 << (one.session.empty() ? "" : ": " + one.session) << '\n'
                << one.text << '\n'
                << std::flush;
    return console.out.good();
  };
  return client.GenerateContinuations(options, count, callbacks, &console.interrupt);
}

absl::Status Generate(CommandContext& context, const GenerateFlags& flags) {
  if (flags.model.empty() == flags.session.empty()) {
    return context.BadUsage("wanted exactly one of --model NAME and --session ID");
  }
  const client::GenerateOptions& given = flags.options;
  if (!given.prompt.empty() + !given.prompt_bytes.empty() + !given.prompt_tokens.empty() > 1) {
    return context.BadUsage("wanted at most one of --prompt, --prompt-hex and --prompt-token");
  }
  if (given.log_probabilities.has_value() && !context.json()) {
    return context.BadUsage("wanted --json with --log-probabilities");
  }
  auto client = context.Connect();
  if (!client.ok()) return client.status();
  context.console().catch_interrupts();
  client::GenerateOptions options = flags.options;
  if (!flags.model.empty()) options.model = ResourceName("models", flags.model);
  if (!flags.session.empty()) options.session = ResourceName("sessions", flags.session);
  absl::Status status;
  if (flags.continuations.has_value()) {
    status = GenerateSeveral(context, **client, options, *flags.continuations);
  } else {
    status = context.json() ? GenerateJson(context, **client, options)
                            : GenerateText(context, **client, flags, options);
  }
  status = WithFlag(context.OrInterrupted(status), kFlags);
  return flags.model.empty() ? status : WithNearestModel(status, options.model, **client);
}

}  // namespace

void AddGenerateCommand(CLI::App& app, CommandContext& context) {
  CLI::App& command = AddCommand(
      app, "generate", "Streams text from a model, character by character.",
      "  derin generate --model timemachine --prompt \"the time traveller \"\n"
      "  derin generate --model timemachine --prompt \"it \" --temperature 0.5 "
      "--max-tokens 500 --seed 7\n"
      "  derin generate --model timemachine --prompt \"he \" --stop \". \" --include-stop\n"
      "  derin generate --session $S                  # goes on where it ended");
  auto flags = std::make_shared<GenerateFlags>();
  AddFlags(command, *flags);
  context.Define(command, [&context, flags] { return Generate(context, *flags); });
}

}  // namespace derin::cli
