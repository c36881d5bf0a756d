#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/field_flag.h"
#include "client/cli/formatting.h"
#include "client/cli/image_file.h"
#include "client/cli/json_output.h"
#include "client/cli/missing_name.h"
#include "client/cli/options.h"
#include "client/cli/resource_name.h"
#include "client/cli/table.h"

namespace derin::cli {
namespace {

struct OpenOptions {
  std::string model;
  client::SessionOptions session;
};

constexpr FieldFlag kOpenFlags[] = {
    {"model", "--model"}, {"durability", "--durability"}, {"time_to_live", "--ttl"}};

// How the new session is kept, for `open` and `import`.
void AddKeeping(CLI::App& command, client::SessionOptions& options) {
  options.durability = client::Durability::kProcess;
  AddEnum(command, "--durability", *options.durability, kDurabilityNames,
          "what it outlives: nothing, the server's process, or a loss of power [process]");
  AddTime(command, "--ttl", options.time_to_live,
          "how long it stays when no call uses it, such as 15m [the most that the server allows]");
}

// What scripts get, and people besides.
void PrintOpened(const client::Session& session, CommandContext& context) {
  Console& console = context.console();
  if (context.json()) return PrintDocument(ToJson(session), console.out);
  console.out << session.name << '\n';
  context.Hint(absl::StrCat(
      session.model_version, ", seed ", session.seed,
      "; next: ", context.Suggest("generate --session " + session.name + " --prompt \"...\"")));
}

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
                  "its latest version, or a certain one: NAME/versions/N or NAME/aliases/ALIAS")
      ->required()
      ->type_name("NAME");
  AddNumber(command, "--seed", options->session.seed,
            "of its draws; the same seed draws the same text [drawn]");
  AddKeeping(command, options->session);
  context.DefineWithClient(command, [&context, options](client::Client& client) -> absl::Status {
    const auto session =
        client.OpenSession(ResourceName("models", options->model), options->session);
    if (!session.ok()) {
      return WithNearestModel(WithFlag(session.status(), kOpenFlags), options->model, client);
    }
    PrintOpened(*session, context);
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
    Table table(
        {{"NAME"}, {"MODEL"}, {"POSITION", Table::Align::kRight}, {"TIER"}, {"IDLE SINCE"}});
    for (const client::Session& session : *found) {
      table.AddRow({session.name, session.model_version, WholeNumber(session.position),
                    std::string(Name(session.tier)), IdleSince(session, console)});
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
                 {"tier", std::string(Name(session->tier))},
                 {"durability", std::string(Name(session->durability))},
                 {"idle since", IdleSince(*session, console)},
                 {"expires", LocalTime(session->expire_time, console.time_zone)},
                 {"owner", session->owner}},
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
  CLI::App& command =
      AddCommand(sessions, "rewind",
                 "Takes a conversation back to a position inside its last call, or where an "
                 "earlier one began.",
                 "  derin sessions show $S                        # remembered: 40 to 81\n"
                 "  derin sessions rewind $S --position 40");
  auto id = std::make_shared<std::string>();
  auto position = std::make_shared<std::optional<int64_t>>();
  command.add_option("ID", *id, "as `derin sessions open` wrote it")->required()->type_name("");
  AddNumber(command, "--position", *position,
            "one of those that `derin sessions show` calls remembered");
  command.get_option("--position")->required();
  context.DefineWithClient(
      command, [&context, id, position](client::Client& client) -> absl::Status {
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
    context.PrintDone("closed", name);
    return absl::OkStatus();
  });
}

void DefineExport(CLI::App& sessions, CommandContext& context) {
  CLI::App& command = AddCommand(
      sessions, "export",
      "Writes a conversation's state, for `derin sessions import` at any server that has "
      "the same model.",
      "  derin sessions export $S --out talk.session");
  auto id = std::make_shared<std::string>();
  auto file = std::make_shared<std::string>();
  command.add_option("ID", *id, "as `derin sessions open` wrote it")->required()->type_name("");
  command.add_option("--out", *file, "write it there [standard output]")->type_name("FILE");
  context.DefineWithClient(command, [&context, id, file](client::Client& client) -> absl::Status {
    Console& console = context.console();
    absl::Status shown = file->empty() ? context.CheckTakesBytes("a state") : absl::OkStatus();
    if (!shown.ok()) return shown;
    const auto image = client.ExportSession(ResourceName("sessions", *id));
    if (!image.ok()) return image.status();
    if (file->empty()) {
      console.out << *image << std::flush;
      return absl::OkStatus();
    }
    if (absl::Status written = WriteFile(*file, *image); !written.ok()) return written;
    if (context.json()) {
      PrintDocument({{"file", *file}, {"bytes", image->size()}}, console.out);
    } else {
      console.err << "wrote " << Bytes(static_cast<int64_t>(image->size())) << " to " << *file
                  << '\n';
    }
    return absl::OkStatus();
  });
}

void DefineImport(CLI::App& sessions, CommandContext& context) {
  CLI::App& command =
      AddCommand(sessions, "import",
                 "Opens a conversation with a state that was exported, and writes its name.",
                 "  derin sessions import talk.session\n"
                 "  derin --server HERE:50051 sessions export $S | derin --server THERE:50051 "
                 "sessions import -");
  auto file = std::make_shared<std::string>();
  auto options = std::make_shared<OpenOptions>();
  command.add_option("FILE", *file, "from `derin sessions export`; -: standard input")
      ->required()
      ->type_name("");
  command.add_option("--model", options->model, "the same model here [the name that it had]")
      ->type_name("NAME");
  AddNumber(command, "--seed", options->session.seed, "of its draws from here on [what it was]");
  AddKeeping(command, options->session);
  context.DefineWithClient(
      command, [&context, file, options](client::Client& client) -> absl::Status {
        const auto image = ReadFile(*file, context.console().in);
        if (!image.ok()) return image.status();
        const std::string model =
            options->model.empty() ? "" : ResourceName("models", options->model);
        const auto session = client.ImportSession(*image, model, options->session);
        if (!session.ok()) return WithFlag(session.status(), kOpenFlags);
        PrintOpened(*session, context);
        return absl::OkStatus();
      });
}

}  // namespace

void AddSessionsCommand(CLI::App& app, CommandContext& context) {
  CLI::App& sessions = AddCommand(
      app, "sessions",
      "Conversations that keep their state between calls: open, list, show, fork, rewind, export, "
      "import, close.",
      "  derin sessions open --model timemachine");
  sessions.require_subcommand(0, 1);
  DefineOpen(sessions, context);
  DefineList(sessions, context);
  DefineShow(sessions, context);
  DefineFork(sessions, context);
  DefineRewind(sessions, context);
  DefineExport(sessions, context);
  DefineImport(sessions, context);
  DefineClose(sessions, context);
}

}  // namespace derin::cli
