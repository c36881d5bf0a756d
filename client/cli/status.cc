#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/enum_names.h"
#include "client/cli/formatting.h"
#include "client/cli/json_output.h"
#include "client/cli/table.h"

namespace derin::cli {
namespace {

std::string DeviceText(const client::Device& device) {
  return absl::StrCat(device.backend, " (", device.description, "), ", device.instructions,
                      device.instructions.empty() ? "" : ", ", device.threads,
                      device.threads == 1 ? " thread" : " threads", ", engine ", device.engine_id,
                      ", ", Bytes(device.free_bytes), " of ", Bytes(device.total_bytes), " free",
                      device.failure.empty() ? "" : "; of no use any more: ", device.failure);
}

std::string PrecisionsText(const client::Device& device) {
  return absl::StrJoin(device.precisions, ", ", [](std::string* out, client::Precision precision) {
    absl::StrAppend(out, std::string(Name(precision)));
  });
}

void Print(const client::ServerInfo& info, const std::string& address, Console& console) {
  const client::ServerLoad& load = info.load;
  const client::ServerLimits& limits = info.limits;
  std::string server = absl::StrCat("derind ", info.version, " at ", address);
  if (info.start_time.has_value()) {
    absl::StrAppend(&server, ", up ", ShortDuration(console.now() - *info.start_time));
  }
  PrintFields(
      {{"server", server + ", id " + info.server_id},
       {"device", DeviceText(info.device)},
       {"precisions", PrecisionsText(info.device)},
       {"training", absl::StrCat(load.running_training_jobs,
                                 limits.running_training_jobs == 0
                                     ? ""
                                     : absl::StrCat(" of ", limits.running_training_jobs),
                                 " running, ", load.queued_training_jobs, " of ",
                                 WholeNumber(limits.queued_training_jobs), " waiting, ",
                                 ShortNumber(load.trained_tokens_per_second), " tokens/s")},
       {"generation",
        absl::StrCat(load.generate_streams, " of ", WholeNumber(limits.generate_streams),
                     " streams, ", load.sessions, " of ", WholeNumber(limits.sessions),
                     " sessions, ", ShortNumber(load.generated_tokens_per_second), " tokens/s")},
       {"limits", absl::StrCat(Bytes(limits.corpus_bytes), " a corpus, ", Bytes(limits.model_bytes),
                               " an imported model, ", Bytes(limits.prompt_bytes), " a prompt, ",
                               ShortDuration(limits.session_time_to_live), " an idle session")}},
      console.out);
}

}  // namespace

void AddStatusCommand(CLI::App& app, CommandContext& context) {
  CLI::App& command = AddCommand(app, "status", "Says what the server is and what it is doing.",
                                 "  derin status\n"
                                 "  derin status --server 192.168.1.20:50051\n"
                                 "  derin status --json | jq .load.trained_tokens_per_second");
  context.DefineWithClient(command, [&context](client::Client& client) -> absl::Status {
    const auto info = client.GetServerInfo();
    if (!info.ok()) return info.status();
    if (context.json()) {
      PrintDocument(ToJson(*info), context.console().out);
    } else {
      Print(*info, client.address(), context.console());
    }
    return absl::OkStatus();
  });
}

}  // namespace derin::cli
