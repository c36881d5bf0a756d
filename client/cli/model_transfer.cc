#include <memory>
#include <string>

#include "client/cli/commands.h"
#include "client/cli/field_flag.h"
#include "client/cli/formatting.h"
#include "client/cli/image_file.h"
#include "client/cli/json_output.h"
#include "client/cli/missing_name.h"
#include "client/cli/resource_name.h"

namespace derin::cli {
namespace {

constexpr char kCollection[] = "models";
constexpr FieldFlag kImportFlags[] = {{"header.model", "--model"}, {"header.sha256", "--sha256"}};

absl::Status Export(CommandContext& context, client::Client& client, const std::string& name,
                    const std::string& file) {
  Console& console = context.console();
  absl::Status shown = file.empty() ? context.CheckTakesBytes("a model") : absl::OkStatus();
  if (!shown.ok()) return shown;
  console.catch_interrupts();
  std::string bytes;
  const auto version = client.ExportModel(
      ResourceName(kCollection, name),
      [&](std::string_view piece) {
        if (file.empty()) {
          console.out << piece;
        } else {
          bytes += piece;
        }
        return console.out.good() ? absl::OkStatus()
                                  : absl::UnavailableError("cannot write to standard output");
      },
      &console.interrupt);
  if (!version.ok()) {
    return WithNearestModel(context.OrInterrupted(version.status()), name, client);
  }
  if (file.empty()) {
    console.out << std::flush;
    return absl::OkStatus();
  }
  if (absl::Status written = WriteFile(file, bytes); !written.ok()) return written;
  if (context.json()) {
    PrintDocument({{"file", file}, {"model_version", ToJson(*version)}}, console.out);
  } else {
    console.err << "wrote " << version->name << ", " << Bytes(version->size_bytes) << ", to "
                << file << "\nsha256 " << version->sha256 << '\n';
  }
  return absl::OkStatus();
}

void DefineExport(CLI::App& models, CommandContext& context) {
  CLI::App& command = AddCommand(
      models, "export",
      "Writes the file of a version: safetensors, for PyTorch or for `derin models import` at any "
      "server.",
      "  derin models export timemachine --out tm.safetensors       # the latest version\n"
      "  derin models export timemachine/versions/3 --out tm.safetensors\n"
      "  derin models export timemachine/aliases/stable --out tm.safetensors");
  auto name = std::make_shared<std::string>();
  auto file = std::make_shared<std::string>();
  command.add_option("NAME", *name, "of the model, the version or the alias")
      ->required()
      ->type_name("");
  command.add_option("--out", *file, "write it there [standard output]")->type_name("FILE");
  context.DefineWithClient(command, [&context, name, file](client::Client& client) {
    return Export(context, client, *name, *file);
  });
}

absl::Status Import(CommandContext& context, client::Client& client, const std::string& file,
                    client::ImportModelOptions options) {
  Console& console = context.console();
  options.model = ResourceName(kCollection, options.model);
  auto source = file == "-" ? client::StreamSource(console.in) : client::FilesSource({file});
  if (!source.ok()) return source.status();
  console.catch_interrupts();
  const auto version = client.ImportModel(options, *source, &console.interrupt);
  if (!version.ok()) return WithFlag(context.OrInterrupted(version.status()), kImportFlags);
  if (context.json()) {
    PrintDocument(ToJson(*version), console.out);
  } else {
    console.out << version->name << '\n';
  }
  return absl::OkStatus();
}

void DefineImport(CLI::App& models, CommandContext& context) {
  CLI::App& command =
      AddCommand(models, "import",
                 "Publishes an exported file as the next version of a model, and writes its name.",
                 "  derin models import tm.safetensors --model timemachine\n"
                 "  derin --server HERE:50051 models export timemachine | derin --server "
                 "THERE:50051 models import - --model timemachine");
  auto file = std::make_shared<std::string>();
  auto options = std::make_shared<client::ImportModelOptions>();
  command.add_option("FILE", *file, "from `derin models export`; -: standard input")
      ->required()
      ->type_name("");
  command.add_option("--model", options->model, "name to publish under; made unless it exists")
      ->required()
      ->type_name("NAME");
  command
      .add_option("--sha256", options->sha256,
                  "of the file, as `derin models show` says it: refuse any other [not compared]")
      ->type_name("HEX");
  context.DefineWithClient(command, [&context, file, options](client::Client& client) {
    return Import(context, client, *file, *options);
  });
}

}  // namespace

void AddModelTransferCommands(CLI::App& models, CommandContext& context) {
  DefineExport(models, context);
  DefineImport(models, context);
}

}  // namespace derin::cli
