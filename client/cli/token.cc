#include <openssl/rand.h>
#include <openssl/sha.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/cli/command_context.h"
#include "client/cli/commands.h"
#include "client/cli/json_output.h"
#include "client/cli/options.h"

namespace derin::cli {
namespace {

constexpr int64_t kMostDays = 36'500;

// What `derind --tokens` reads of one token.
struct TokenLine {
  std::string name;
  std::vector<std::string> roles;
  std::optional<int64_t> days, max_streams, max_sessions, max_jobs, max_tokens_per_minute,
      max_bytes_stored;
};

// 256 random bits; the beginning is there so that people and scanners of secrets see what it is.
absl::StatusOr<std::string> NewToken() {
  unsigned char bits[32];
  if (RAND_bytes(bits, sizeof(bits)) != 1) {
    return absl::InternalError("this system has no source of randomness");
  }
  const absl::string_view bytes(reinterpret_cast<const char*>(bits), sizeof(bits));
  return absl::StrCat("derin_", absl::WebSafeBase64Escape(bytes));
}

std::string Sha256Hex(const std::string& bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

Json LineOf(const TokenLine& line, const std::string& token, absl::Time now) {
  Json json;
  json["name"] = line.name;
  json["token_sha256"] = Sha256Hex(token);
  json["roles"] = line.roles;
  if (line.days.has_value()) {
    json["expires"] = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", now + absl::Hours(24) * *line.days,
                                       absl::UTCTimeZone());
  }
  if (line.max_streams.has_value()) json["max_streams"] = *line.max_streams;
  if (line.max_sessions.has_value()) json["max_sessions"] = *line.max_sessions;
  if (line.max_jobs.has_value()) json["max_jobs"] = *line.max_jobs;
  if (line.max_tokens_per_minute.has_value()) {
    json["max_tokens_per_minute"] = *line.max_tokens_per_minute;
  }
  if (line.max_bytes_stored.has_value()) json["max_bytes_stored"] = *line.max_bytes_stored;
  return json;
}

void DefineNew(CLI::App& tokens, CommandContext& context) {
  CLI::App& command = AddCommand(
      tokens, "new", "Draws a token, and writes it and the line for the server's file once.",
      "  derin token new ada --role read --role generate --max-streams 4\n"
      "  derin token new ci --role train --days 90 --json");
  auto line = std::make_shared<TokenLine>();
  command.add_option("NAME", line->name, "of the caller: [a-z][a-z0-9-]{0,62}")
      ->required()
      ->check([](const std::string& name) -> std::string {
        const bool good =
            !name.empty() && name.size() <= 63 && name[0] >= 'a' && name[0] <= 'z' &&
            name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos &&
            name != "local";
        return good ? ""
                    : absl::StrCat("got '", name, "', wanted [a-z][a-z0-9-]{0,62} and not local");
      })
      ->type_name("");
  command
      .add_option("--role", line->roles,
                  "what it may do: read (see corpora, models and jobs), generate (text, sessions, "
                  "scores), train (corpora and jobs), admin (everything); once for each")
      ->required()
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->check(CLI::IsMember({"read", "generate", "train", "admin"}).description(""))
      ->type_name("ROLE");
  AddNumber(command, "--days", line->days, "until it expires, 1 to 36500 [never]");
  AddNumber(command, "--max-streams", line->max_streams,
            "calls under way that generate or score [any]");
  AddNumber(command, "--max-sessions", line->max_sessions, "its sessions [any]");
  AddNumber(command, "--max-jobs", line->max_jobs, "its training jobs that are not over [any]");
  AddNumber(command, "--max-tokens-per-minute", line->max_tokens_per_minute,
            "tokens of prompts, drawn and scored; more wait for their time [any]");
  AddNumber(command, "--max-bytes-stored", line->max_bytes_stored,
            "bytes of corpora and models that it uploads, all together [any]");
  context.Define(command, [&context, line]() -> absl::Status {
    if (const int64_t days = line->days.value_or(1); days < 1 || days > kMostDays) {
      return context.BadUsage(absl::StrCat("--days: got ", days, ", wanted 1 to ", kMostDays));
    }
    for (const auto* number : {&line->max_streams, &line->max_sessions, &line->max_jobs,
                               &line->max_tokens_per_minute, &line->max_bytes_stored}) {
      if (number->value_or(0) < 0) return context.BadUsage("limits want 0 or more");
    }
    const absl::StatusOr<std::string> token = NewToken();
    if (!token.ok()) return token.status();
    const std::string for_server =
        LineOf(*line, *token, context.console().now()).dump(-1, ' ', /*ensure_ascii=*/true);
    std::ostream& out = context.console().out;
    if (context.json()) {
      Json json;
      json["token"] = *token;
      json["line"] = for_server;
      PrintDocument(json, out);
      return absl::OkStatus();
    }
    out << "The token, for a file of " << line->name
        << "'s that --token-file names; it is not shown again:\n"
        << *token << "\n\nThe line for the file that derind --tokens names:\n"
        << for_server << '\n';
    return absl::OkStatus();
  });
}

}  // namespace

void AddTokenCommand(CLI::App& app, CommandContext& context) {
  CLI::App& tokens = AddCommand(app, "token", "Makes tokens for callers of a server.",
                                "  derin token new ada --role read --role generate");
  DefineNew(tokens, context);
}

}  // namespace derin::cli
