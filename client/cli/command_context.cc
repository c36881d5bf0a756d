#include "client/cli/command_context.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "client/cli/json_output.h"

namespace derin::cli {

CommandContext::CommandContext(Console& console, const client::ConnectOptions& defaults)
    : console_(console), defaults_(defaults), connection_(defaults) {}

absl::Span<const CommandContext::ConnectionFlag> CommandContext::ConnectionFlags() {
  using client::ConnectOptions;
  static constexpr ConnectionFlag kFlags[] = {
      {"--server", &ConnectOptions::address, "where derind listens, or unix:PATH", "DERIN_SERVER",
       "HOST:PORT"},
      {"--tls-ca", &ConnectOptions::tls_ca,
       "encrypt, and trust servers with a certificate of these authorities", "DERIN_TLS_CA",
       "FILE"},
      {"--tls-certificate", &ConnectOptions::tls_certificate,
       "encrypt, and show the server this certificate", "DERIN_TLS_CERTIFICATE", "FILE"},
      {"--tls-key", &ConnectOptions::tls_key, "the certificate's private key", "DERIN_TLS_KEY",
       "FILE"},
      {"--token-file", &ConnectOptions::token_file,
       "file with the token that the server knows you by", "DERIN_TOKEN_FILE", "FILE"}};
  return kFlags;
}

void CommandContext::AddSharedOptions(CLI::App& command) {
  const char* kGroup = "Every command";
  for (const ConnectionFlag& flag : ConnectionFlags()) {
    const std::string& value = defaults_.*flag.field;
    command
        .add_option(flag.flag, connection_.*flag.field,
                    absl::StrCat(flag.help, " [", value.empty() ? "none" : value, "; environment ",
                                 flag.variable, "]"))
        ->type_name(flag.type)
        ->group(kGroup);
  }
  command.add_flag("--json", json_, "write JSON: one document, or one a line for what streams")
      ->group(kGroup);
  // Again, so that it stands last.
  command.set_help_flag();
  command.set_help_flag("-h,--help", "show this and do nothing")->group(kGroup);
}

void CommandContext::Define(CLI::App& command, Action action) {
  AddSharedOptions(command);
  command.callback([this, action = std::move(action)] { action_ = action; });
}

void CommandContext::DefineWithClient(CLI::App& command, ClientAction action) {
  Define(command, [this, action = std::move(action)]() -> absl::Status {
    auto client = Connect();
    if (!client.ok()) return client.status();
    return action(**client);
  });
}

absl::StatusOr<std::unique_ptr<client::Client>> CommandContext::Connect() {
  absl::Status valid = client::CheckAddress(connection_.address);
  if (!valid.ok()) {
    return BadUsage(std::string_view(valid.message().data(), valid.message().size()));
  }
  return client::Client::Connect(connection_);
}

absl::Status CommandContext::BadUsage(std::string_view message) {
  bad_usage_ = true;
  return absl::InvalidArgumentError(std::string(message));
}

absl::Status CommandContext::CheckTakesBytes(std::string_view what) {
  const absl::string_view bytes(what.data(), what.size());
  if (json_) return BadUsage(absl::StrCat(bytes, " is no JSON: wanted --out FILE with --json"));
  if (!console_.out_is_terminal) return absl::OkStatus();
  return BadUsage(absl::StrCat("a terminal cannot show ", bytes, ": wanted --out FILE, or a pipe"));
}

absl::Status CommandContext::OrInterrupted(const absl::Status& status) const {
  return console_.interrupt.cancelled() ? absl::CancelledError("interrupted") : status;
}

std::string CommandContext::Suggest(std::string_view rest) const {
  std::string line = "derin " + std::string(rest);
  for (const ConnectionFlag& flag : ConnectionFlags()) {
    const std::string& value = connection_.*flag.field;
    if (value != defaults_.*flag.field) absl::StrAppend(&line, " ", flag.flag, " ", value);
  }
  return line;
}

void CommandContext::PrintDone(const std::string& what, const std::string& name) {
  if (json()) {
    PrintDocument({{what, name}}, console_.out);
  } else {
    console_.out << what << ' ' << name << '\n';
  }
}

void CommandContext::Hint(std::string_view line) {
  if (console_.err_is_terminal) console_.err << line << '\n';
}

CLI::App& AddCommand(CLI::App& parent, const std::string& name, const std::string& purpose,
                     const std::string& examples) {
  CLI::App& command = *parent.add_subcommand(name, purpose);
  command.group("Commands");
  command.footer("Examples:\n" + examples);
  return command;
}

absl::Status WithSuffix(const absl::Status& status, std::string_view suffix) {
  if (status.ok() || suffix.empty()) return status;
  absl::Status result(status.code(), absl::StrCat(status.message(), std::string(suffix)));
  status.ForEachPayload([&result](absl::string_view url, const absl::Cord& payload) {
    result.SetPayload(url, payload);
  });
  return result;
}

}  // namespace derin::cli
