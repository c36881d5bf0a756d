#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/field_flag.h"
#include "client/cli/json_output.h"
#include "client/cli/missing_name.h"
#include "client/cli/options.h"
#include "client/cli/resource_name.h"

namespace derin::cli {
namespace {

struct OpenOptions {
  std::string model;
  std::optional<uint64_t> seed;
};

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
  CLI::App& sessions =
      AddCommand(app, "sessions", "Conversations that keep their state between calls: open, close.",
                 "  derin sessions open --model timemachine");
  sessions.require_subcommand(0, 1);
  DefineOpen(sessions, context);
  DefineClose(sessions, context);
}

}  // namespace derin::cli
