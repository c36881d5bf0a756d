#include "client/cli/command_line.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/command_context.h"
#include "client/cli/commands.h"
#include "client/cli/formatting.h"
#include "client/cli/help_format.h"
#include "derin/client/error.h"
#include "proto/command_line/generated_text.h"
#include "proto/command_line/nearest_name.h"

namespace derin::cli {
namespace {

constexpr char kPurpose[] =
    "derin trains recurrent language models on a Derin server and streams text from them.";

constexpr char kFirstSteps[] =
    "First steps:\n"
    "  derind --data-dir derin-data &                          # the server\n"
    "  derin corpus add timemachine timemachine.txt --normalization d2l-letters\n"
    "  derin train --corpus timemachine --model timemachine --epochs 50\n"
    "  derin generate --model timemachine --prompt \"the time traveller \"\n"
    "\n"
    "derin COMMAND --help shows each command's flags, defaults and examples. Exit status: 0 done,\n"
    "1 refused or not reachable, 2 bad usage, 130 interrupted.";

void Define(CLI::App& app, CommandContext& context) {
  app.name("derin");
  app.description(kPurpose);
  app.footer(kFirstSteps);
  // Commands take it over from here.
  app.formatter(std::make_shared<HelpFormat>());
  app.require_subcommand(0, 1);
  context.AddSharedOptions(app);
  app.set_version_flag("--version", std::string("derin ") + DERIN_VERSION,
                       "show the version and do nothing");
  AddGeneratedText(app, DERIN_VERSION, "derind");
  AddStatusCommand(app, context);
  AddCorpusCommand(app, context);
  AddTrainCommand(app, context);
  AddJobsCommand(app, context);
  AddModelsCommand(app, context);
  AddGenerateCommand(app, context);
  AddScoreCommand(app, context);
  AddSessionsCommand(app, context);
  AddUsageCommand(app, context);
  AddTokenCommand(app, context);
}

// The innermost command that the parser has reached.
CLI::App& Innermost(CLI::App& app) {
  CLI::App* reached = &app;
  while (!reached->get_subcommands().empty()) reached = reached->get_subcommands().back();
  return *reached;
}

// "derin corpus add".
std::string FullName(const CLI::App& app) {
  return app.get_parent() == nullptr ? "derin" : FullName(*app.get_parent()) + " " + app.get_name();
}

std::vector<std::string> CommandNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

std::vector<std::string> FlagNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// What is wrong with the first word that no command took; nullopt when all were taken. Said before
// anything else: a mistyped flag is also the reason why a required one is missing.
std::optional<std::string> UnknownWord(CLI::App& app) {
  for (CLI::App* command = &app;;) {
    if (const auto left = command->remaining(); !left.empty()) {
      const std::string of = command == &app ? "" : " of '" + FullName(*command) + "'";
      if (left[0].starts_with("-")) {
        const std::string flag = left[0].substr(0, left[0].find('='));
        return absl::StrCat("unknown flag '", flag, "'", of, DidYouMean(flag, FlagNames(*command)));
      }
      const std::vector<std::string> commands = CommandNames(*command);
      if (commands.empty()) return absl::StrCat("one word too many", of, ": '", left[0], "'");
      return absl::StrCat("unknown command '", left[0], "'", of, DidYouMean(left[0], commands));
    }
    if (command->get_subcommands().empty()) return std::nullopt;
    command = command->get_subcommands().back();
  }
}

// "--epochs wants a value: N", "--lr is given 2 times, wanted once": CLI11 says it in words about
// its own counts.
std::string MismatchLine(const CLI::ArgumentMismatch& error) {
  const std::string_view said = error.what();
  const std::string flag(said.substr(0, said.find(':')));
  constexpr std::string_view kReceived = "received ";
  if (const size_t at = said.find(kReceived); at != std::string_view::npos) {
    const std::string times(said.substr(at + kReceived.size()));
    return absl::StrCat(flag, " is given ", times, " times, wanted once");
  }
  constexpr std::string_view kRequired = " required ";
  constexpr std::string_view kMissing = " missing";
  const size_t at = said.find(kRequired);
  if (at == std::string_view::npos || !said.ends_with(kMissing)) return std::string(said);
  std::string_view type = said.substr(at + kRequired.size());
  type.remove_suffix(kMissing.size());
  return absl::StrCat(flag, " wants a value: ", std::string(type));
}

int SayBadUsage(CLI::App& app, std::string_view message, Console& console) {
  console.err << "derin: " << message << "\nsee: " << FullName(Innermost(app)) << " --help\n";
  return kBadUsage;
}

// The words in the order that CLI11 wants, from the back. It reads `--flag=` as a flag whose value
// is the next word; what is meant is an empty one.
std::vector<std::string> ForParser(const std::vector<std::string>& arguments) {
  std::vector<std::string> words;
  for (const std::string& argument : arguments) {
    const bool empty_value =
        argument.starts_with("--") && argument.find('=') == argument.size() - 1;
    words.push_back(empty_value ? argument.substr(0, argument.size() - 1) : argument);
    if (empty_value) words.emplace_back();
  }
  std::reverse(words.begin(), words.end());
  return words;
}

// What the command line asks for besides an action; nullopt when there is an action to run.
std::optional<int> Parse(CLI::App& app, const std::vector<std::string>& arguments,
                         CommandContext& context) {
  Console& console = context.console();
  try {
    app.parse(ForParser(arguments));
  } catch (const CLI::CallForHelp&) {
    // Of the command that was named.
    console.out << app.help();
    return kSuccess;
  } catch (const CLI::CallForVersion& version) {
    console.out << version.what() << '\n';
    return kSuccess;
  } catch (const CLI::ArgumentMismatch& error) {
    return SayBadUsage(app, UnknownWord(app).value_or(MismatchLine(error)), console);
  } catch (const CLI::ParseError& error) {
    return SayBadUsage(app, UnknownWord(app).value_or(error.what()), console);
  }
  if (context.action()) return std::nullopt;
  if (&Innermost(app) == &app) {
    console.out << app.help();
    return kSuccess;
  }
  return SayBadUsage(app,
                     absl::StrCat("'", FullName(Innermost(app)), "' wants one of the commands ",
                                  absl::StrJoin(CommandNames(Innermost(app)), ", ")),
                     console);
}

// The error on one line, with the field and the hint when to try again where they are known.
std::string ErrorLine(const absl::Status& status) {
  std::string line(status.message().data(), status.message().size());
  if (line.empty()) line = absl::StatusCodeToString(status.code());
  const std::string field = client::ErrorField(status);
  if (!field.empty() && line.find(field) == std::string::npos) {
    absl::StrAppend(&line, " (field ", field, ")");
  }
  // The server speaks of a header, people here of a file.
  if (absl::IsUnauthenticated(status)) absl::StrAppend(&line, " (flag --token-file)");
  if (const auto delay = client::ErrorRetryDelay(status); delay.has_value()) {
    absl::StrAppend(&line, " (try again in ", ShortDuration(*delay), ")");
  }
  return line;
}

}  // namespace

int RunCommandLine(const std::vector<std::string>& arguments,
                   const client::ConnectOptions& defaults, Console& console) {
  CommandContext context(console, defaults);
  CLI::App app;
  Define(app, context);
  if (const std::optional<int> done = Parse(app, arguments, context); done.has_value()) {
    return *done;
  }
  const absl::Status status = context.action()();
  console.out.flush();
  if (!console.out.good()) {
    console.err << "derin: standard output takes no more\n";
    return kRefused;
  }
  if (status.ok()) return kSuccess;
  if (context.bad_usage()) return SayBadUsage(app, ErrorLine(status), console);
  console.err << "derin: " << ErrorLine(status) << '\n';
  return console.interrupt.cancelled() ? kInterrupted : kRefused;
}

}  // namespace derin::cli
