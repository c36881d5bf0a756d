#include "client/cli/commands.h"
#include "client/cli/formatting.h"
#include "client/cli/json_output.h"
#include "client/cli/table.h"

namespace derin::cli {
namespace {

void Print(const std::vector<client::Usage>& usage, std::ostream& out) {
  constexpr Table::Align kRight = Table::Align::kRight;
  Table table({{"CALLER"},
               {"PROMPT", kRight},
               {"GENERATED", kRight},
               {"SCORED", kRight},
               {"TRAINED", kRight},
               {"CALLS", kRight},
               {"TRAINING", kRight},
               {"STORED", kRight}});
  for (const client::Usage& one : usage) {
    table.AddRow({one.caller, WholeNumber(one.prompt_tokens), WholeNumber(one.generated_tokens),
                  WholeNumber(one.scored_tokens), WholeNumber(one.trained_tokens),
                  ShortDuration(one.call_time), ShortDuration(one.training_time),
                  Bytes(one.stored_bytes)});
  }
  table.Print(out);
}

}  // namespace

void AddUsageCommand(CLI::App& app, CommandContext& context) {
  CLI::App& command = AddCommand(
      app, "usage",
      "Lists what callers have used: tokens, time of calls and of trainings, bytes stored. An "
      "admin sees everybody's, others their own.",
      "  derin usage\n"
      "  derin usage --json | jq '.usage[] | {caller, generated_tokens}'");
  context.DefineWithClient(command, [&context](client::Client& client) -> absl::Status {
    const auto usage = client.ListUsage();
    if (!usage.ok()) return usage.status();
    if (context.json()) {
      PrintDocument(ListToJson("usage", *usage), context.console().out);
    } else {
      Print(*usage, context.console().out);
    }
    return absl::OkStatus();
  });
}

}  // namespace derin::cli
