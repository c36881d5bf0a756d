#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/field_flag.h"
#include "client/cli/formatting.h"
#include "client/cli/json_output.h"
#include "client/cli/missing_name.h"
#include "client/cli/options.h"
#include "client/cli/resource_name.h"
#include "client/cli/table.h"

namespace derin::cli {
namespace {

struct OpenOptions {
  std::string model;
  std::optional<uint64_t> seed;
};

std::string IdleSince(const client::Session& session, const Console& console) {
  if (!session.idle_since.has_value()) return "generating now";
  return LocalTime(session.idle_since, console.time_zone);
}

void DefineOpen(CLI::App& sessions, CommandContext& context) {
  CLI::App& command = AddCommand(
      sessions, "open", "Opens a conversation that goes on from call to call, and writes its name.",
      "  S=$(derin sessions open --model timemachine)\n"
      "  derin generate --session $S --prompt \"the time traveller \" --max-tokens 80\n"
      "  derin generate --session $S --prompt \"\" --max-tokens 80      # goes on from there\n"
      "  derin sessions close $S");
  auto options = std::make_shared<OpenOptions>();
  command
      .add_option("--model", options->model,
                  "its latest version, or a certain one: NAME/versions/N")
      ->required()
      ->type_name("NAME");
  AddNumber(command, "--seed", options->seed,
            "of its draws; the same seed draws the same text [drawn]");
  context.DefineWithClient(command, [&context, options](client::Client& client) -> absl::Status {
    Console& console = context.console();
    const auto session = client.OpenSession(ResourceName("models", options->model), options->seed);
    if (!session.ok()) {
      constexpr FieldFlag kFlags[] = {{"model", "--model"}};
      return WithNearestModel(WithFlag(session.status(), kFlags), options->model, client);
    }
    if (context.json()) {
      PrintDocument(ToJson(*session), console.out);
      return absl::OkStatus();
    }
    console.out << session->name << '\n';
    context.Hint(absl::StrCat(
        session->model_version, ", seed ", session->seed,
        "; next: ", context.Suggest("generate --session " + session->name + " --prompt \"...\"")));
    return absl::OkStatus();
  });
}

void DefineList(CLI::App& sessions, CommandContext& context) {
  CLI::App& command =
      AddCommand(sessions, "list", "Lists the open conversations.", "  derin sessions list");
  context.DefineWithClient(command, [&context](client::Client& client) -> absl::Status {
    Console& console = context.console();
    const auto found = client.ListSessions();
    if (!found.ok()) return found.status();
    if (context.json()) {
      PrintDocument(ListToJson("sessions", *found), console.out);
      return absl::OkStatus();
    }
    if (found->empty()) {
      console.err << "no sessions; open one: " << context.Suggest("sessions open --model NAME")
                  << '\n';
      return absl::OkStatus();
    }
    Table table({{"NAME"}, {"MODEL"}, {"POSITION", Table::Align::kRight}, {"IDLE SINCE"}});
    for (const client::Session& session : *found) {
      table.AddRow({session.name, session.model_version, WholeNumber(session.position),
                    IdleSince(session, console)});
    }
    table.Print(console.out);
    return absl::OkStatus();
  });
}

// "40 to 81, 95".
std::string Remembered(const client::Session& session) {
  const auto range = [](std::string* out, const client::PositionRange& one) {
    absl::StrAppend(out, WholeNumber(one.first));
    if (one.last > one.first) absl::StrAppend(out, " to ", WholeNumber(one.last));
  };
  return absl::StrJoin(session.remembered, ", ", range);
}

void DefineShow(CLI::App& sessions, CommandContext& context) {
  CLI::App& command = AddCommand(sessions, "show", "Shows where a conversation is.",
                                 "  derin sessions show $S --json");
  auto id = std::make_shared<std::string>();
  command.add_option("ID", *id, "as `derin sessions open` wrote it")->required()->type_name("");
  context.DefineWithClient(command, [&context, id](client::Client& client) -> absl::Status {
    Console& console = context.console();
    const auto session = client.GetSession(ResourceName("sessions", *id));
    if (!session.ok()) return session.status();
    if (context.json()) {
      PrintDocument(ToJson(*session), console.out);
      return absl::OkStatus();
    }
    PrintFields({{"name", session->name},
                 {"model", session->model_version},
                 {"opened", LocalTime(session->create_time, console.time_zone)},
                 {"position", WholeNumber(session->position)},
                 {"seed", absl::StrCat(session->seed)},
                 {"stream", absl::StrCat(session->stream)},
                 {"engine", session->engine_id},
                 {"remembered", Remembered(*session)},
                 {"idle since", IdleSince(*session, console)}},
                console.out);
    return absl::OkStatus();
  });
}

void DefineFork(CLI::App& sessions, CommandContext& context) {
  CLI::App& command = AddCommand(
      sessions, "fork",
      "Opens a conversation that begins where another one is, and writes its name.",
      "  F=$(derin sessions fork $S)\n"
      "  derin sessions fork $S --same-stream          # draws what the other one will draw");
  auto id = std::make_shared<std::string>();
  auto options = std::make_shared<client::ForkOptions>();
  command.add_option("ID", *id, "as `derin sessions open` wrote it")->required()->type_name("");
  AddNumber(command, "--seed", options->seed, "of its draws [that of the other one]");
  command.add_flag("--same-stream", options->same_stream,
                   "with the same seed, draw the same; otherwise each fork draws its own");
  context.DefineWithClient(
      command, [&context, id, options](client::Client& client) -> absl::Status {
        Console& console = context.console();
        const auto fork = client.ForkSession(ResourceName("sessions", *id), *options);
        if (!fork.ok()) return fork.status();
        if (context.json()) {
          PrintDocument(ToJson(*fork), console.out);
          return absl::OkStatus();
        }
        console.out << fork->name << '\n';
        return absl::OkStatus();
      });
}

void DefineRewind(CLI::App& sessions, CommandContext& context) {
  CLI::App& command = AddCommand(
      sessions, "rewind", "Takes a conversation back to a position inside its last call.",
      "  derin sessions show $S                        # remembered: 40 to 81\n"
      "  derin sessions rewind $S --position 40");
  auto id = std::make_shared<std::string>();
  auto position = std::make_shared<std::optional<int64_t>>();
  command.add_option("ID", *id, "as `derin sessions open` wrote it")->required()->type_name("");
  AddNumber(command, "--position", *position,
            "one of those that `derin sessions show` calls remembered");
  context.DefineWithClient(
      command, [&context, id, position](client::Client& client) -> absl::Status {
        if (!position->has_value()) return context.BadUsage("wanted --position N");
        const auto session = client.RewindSession(ResourceName("sessions", *id), **position);
        if (!session.ok()) return session.status();
        if (context.json()) {
          PrintDocument(ToJson(*session), context.console().out);
        } else {
          context.console().out << session->name << " is at " << session->position << '\n';
        }
        return absl::OkStatus();
      });
}

void DefineClose(CLI::App& sessions, CommandContext& context) {
  CLI::App& command =
      AddCommand(sessions, "close", "Ends a conversation; text that it still streams ends too.",
                 "  derin sessions close $S");
  auto id = std::make_shared<std::string>();
  command.add_option("ID", *id, "as `derin sessions open` wrote it")->required()->type_name("");
  context.DefineWithClient(command, [&context, id](client::Client& client) -> absl::Status {
    const std::string name = ResourceName("sessions", *id);
    absl::Status status = client.CloseSession(name);
    if (!status.ok()) return status;
    if (context.json()) {
      PrintDocument({{"closed", name}}, context.console().out);
    } else {
      context.console().out << "closed " << name << '\n';
    }
    return absl::OkStatus();
  });
}

}  // namespace

void AddSessionsCommand(CLI::App& app, CommandContext& context) {
  CLI::App& sessions = AddCommand(
      app, "sessions",
      "Conversations that keep their state between calls: open, list, show, fork, rewind, close.",
      "  derin sessions open --model timemachine");
  sessions.require_subcommand(0, 1);
  DefineOpen(sessions, context);
  DefineList(sessions, context);
  DefineShow(sessions, context);
  DefineFork(sessions, context);
  DefineRewind(sessions, context);
  DefineClose(sessions, context);
}

}  // namespace derin::cli
