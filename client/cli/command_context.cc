#include "client/cli/command_context.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace derin::cli {

CommandContext::CommandContext(Console& console, std::string default_server)
    : console_(console), default_server_(default_server), server_(std::move(default_server)) {}

void CommandContext::AddSharedOptions(CLI::App& command) {
  const char* kGroup = "Every command";
  command
      .add_option(
          "--server", server_,
          "where derind listens, or unix:PATH [" + default_server_ + "; environment DERIN_SERVER]")
      ->type_name("HOST:PORT")
      ->group(kGroup);
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
  absl::Status valid = client::CheckAddress(server_);
  if (!valid.ok()) {
    return BadUsage(std::string_view(valid.message().data(), valid.message().size()));
  }
  client::ConnectOptions options;
  options.address = server_;
  return client::Client::Connect(options);
}

absl::Status CommandContext::BadUsage(std::string_view message) {
  bad_usage_ = true;
  return absl::InvalidArgumentError(std::string(message));
}

std::string CommandContext::Suggest(std::string_view rest) const {
  std::string line = "derin " + std::string(rest);
  if (server_ != default_server_) line += " --server " + server_;
  return line;
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
