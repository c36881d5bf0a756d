#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/json_output.h"
#include "client/cli/missing_name.h"
#include "client/cli/resource_name.h"

namespace derin::cli {
namespace {

constexpr char kCollection[] = "models";

// A model, and one of its aliases.
struct AliasNames {
  std::string model, alias;
  std::string version;  // as typed; empty: the latest

  std::string Full() const {
    return absl::StrCat(ResourceName(kCollection, model), "/aliases/", alias);
  }
  // A number is a version, anything else another alias.
  std::string Target() const {
    const std::string of = ResourceName(kCollection, model);
    if (version.empty()) return of;
    const bool is_number = version.find_first_not_of("0123456789") == std::string::npos;
    return absl::StrCat(of, is_number ? "/versions/" : "/aliases/", version);
  }
};

std::shared_ptr<AliasNames> AddAliasArguments(CLI::App& command) {
  auto names = std::make_shared<AliasNames>();
  command.add_option("NAME", names->model, "of the model")->required()->type_name("");
  command.add_option("ALIAS", names->alias, "such as stable or canary")->required()->type_name("");
  return names;
}

void DefineAliasSet(CLI::App& alias, CommandContext& context) {
  CLI::App& command =
      AddCommand(alias, "set", "Makes an alias point at a version, or moves it there.",
                 "  derin models alias set timemachine canary            # the latest version\n"
                 "  derin models alias set timemachine stable 3\n"
                 "  derin models alias set timemachine stable canary     # where canary points");
  const auto names = AddAliasArguments(command);
  command
      .add_option("VERSION", names->version,
                  "a version's number, or another alias for where that points now [the latest]")
      ->type_name("");
  context.DefineWithClient(command, [&context, names](client::Client& client) -> absl::Status {
    const auto set = client.SetModelAlias(names->Full(), names->Target());
    if (!set.ok()) return WithNearestModel(set.status(), names->Target(), client);
    if (context.json()) {
      PrintDocument(ToJson(*set), context.console().out);
    } else {
      context.console().out << set->name << " is " << set->model_version << '\n';
    }
    return absl::OkStatus();
  });
}

void DefineAliasDelete(CLI::App& alias, CommandContext& context) {
  CLI::App& command =
      AddCommand(alias, "delete", "Deletes an alias; the version that it points at stays.",
                 "  derin models alias delete timemachine canary");
  const auto names = AddAliasArguments(command);
  context.DefineWithClient(command, [&context, names](client::Client& client) -> absl::Status {
    const std::string name = names->Full();
    const absl::Status status = client.DeleteModelAlias(name);
    if (!status.ok()) return WithNearestModel(status, name, client);
    context.PrintDone("deleted", name);
    return absl::OkStatus();
  });
}

}  // namespace

void AddModelAliasCommand(CLI::App& models, CommandContext& context) {
  CLI::App& alias =
      AddCommand(models, "alias", "Names of versions that can be moved: set, delete.",
                 "  derin models alias set timemachine stable 3\n"
                 "  derin generate --model timemachine/aliases/stable --prompt \"the \"");
  alias.require_subcommand(0, 1);
  DefineAliasSet(alias, context);
  DefineAliasDelete(alias, context);
}

}  // namespace derin::cli
