#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/cli/console.h"
#include "derin/client/client.h"

namespace derin::cli {

// What every command shares: the console, the options that all of them take, and the one action
// that the command line asked for.
class CommandContext {
 public:
  using Action = std::function<absl::Status()>;
  using ClientAction = std::function<absl::Status(client::Client& client)>;

  // `defaults` are used where no flag says otherwise.
  CommandContext(Console& console, const client::ConnectOptions& defaults);
  CommandContext(const CommandContext&) = delete;
  CommandContext& operator=(const CommandContext&) = delete;

  // The options that every command takes; call it when `command` has its own.
  void AddSharedOptions(CLI::App& command);

  // Makes `action` what `command` does, and adds the shared options. The second form connects
  // first.
  void Define(CLI::App& command, Action action);
  void DefineWithClient(CLI::App& command, ClientAction action);

  absl::StatusOr<std::unique_ptr<client::Client>> Connect();

  // An error that is the command line's own: exit status 2.
  absl::Status BadUsage(std::string_view message);
  bool bad_usage() const { return bad_usage_; }
  // Bad usage where standard output does not take the bytes of `what`, such as "a model": it is a
  // terminal, or to get JSON.
  absl::Status CheckTakesBytes(std::string_view what);

  // What a command came to: `status`, or, whatever that is, that an interrupt ended it.
  absl::Status OrInterrupted(const absl::Status& status) const;

  // "derin REST", with --server and what else this command line says of the connection, for people
  // to copy.
  std::string Suggest(std::string_view rest) const;

  // What was done to whom, on standard output: `deleted corpora/a`, or as JSON.
  void PrintDone(const std::string& what, const std::string& name);

  // A line on standard error that only people want: nothing unless that is a terminal.
  void Hint(std::string_view line);

  Console& console() { return console_; }
  bool json() const { return json_; }
  const std::string& server() const { return connection_.address; }
  // Empty when the command line named no command.
  const Action& action() const { return action_; }

 private:
  // One of them that a flag sets.
  struct ConnectionFlag {
    const char* flag;
    std::string client::ConnectOptions::*field;
    const char* help;  // up to the default
    const char* variable;
    const char* type;
  };
  static absl::Span<const ConnectionFlag> ConnectionFlags();

  Console& console_;
  const client::ConnectOptions defaults_;
  client::ConnectOptions connection_;
  bool json_ = false;
  bool bad_usage_ = false;
  Action action_;
};

// A command below `parent`. `examples` are lines of their own.
CLI::App& AddCommand(CLI::App& parent, const std::string& name, const std::string& purpose,
                     const std::string& examples);

// `status` with `suffix` behind its message and all that it carries.
absl::Status WithSuffix(const absl::Status& status, std::string_view suffix);

}  // namespace derin::cli
