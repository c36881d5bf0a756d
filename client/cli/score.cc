#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
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

struct ScoreFlags {
  // As typed, without the collections.
  std::string model;
  std::string session;
  std::string file;
  client::ScoreOptions options;
};

constexpr FieldFlag kFlags[] = {
    {"header.model", "--model"},
    {"header.session", "--session"},
    {"header.log_probabilities", "--log-probabilities"},
    {"text", "FILE"},
};

// How far a text is, in one live line of a terminal.
class ScoreProgress {
 public:
  explicit ScoreProgress(Console& console) : console_(console) {}
  ~ScoreProgress() { Erase(); }
  ScoreProgress(const ScoreProgress&) = delete;
  ScoreProgress& operator=(const ScoreProgress&) = delete;

  void Update(const client::ScoreTotals& so_far) {
    if (!console_.err_is_terminal) return;
    Erase();
    console_.err << WholeNumber(so_far.characters) << " characters, perplexity "
                 << absl::StrFormat("%.4f", so_far.perplexity) << std::flush;
    live_ = true;
  }
  void Erase() {
    if (live_) console_.err << "\r\x1b[K" << std::flush;
    live_ = false;
  }

 private:
  Console& console_;
  bool live_ = false;
};

absl::Status Score(CommandContext& context, const ScoreFlags& flags) {
  Console& console = context.console();
  if (flags.model.empty() == flags.session.empty()) {
    return context.BadUsage("wanted exactly one of --model NAME and --session ID");
  }
  if (flags.options.log_probabilities.has_value() && !context.json()) {
    return context.BadUsage("wanted --json with --log-probabilities");
  }
  // Before connecting: a file that is missing is known at once.
  const absl::StatusOr<client::ByteSource> source =
      flags.file == "-" ? client::StreamSource(console.in) : client::FilesSource({flags.file});
  if (!source.ok()) return source.status();
  auto client = context.Connect();
  if (!client.ok()) return client.status();
  console.catch_interrupts();
  client::ScoreOptions options = flags.options;
  if (!flags.model.empty()) options.model = ResourceName("models", flags.model);
  if (!flags.session.empty()) options.session = ResourceName("sessions", flags.session);

  client::ScoreStart start;
  ScoreProgress progress(console);
  client::ScoreCallbacks callbacks;
  callbacks.start = [&](const client::ScoreStart& is) {
    start = is;
    if (is.engine_changed) {
      console.err << "note: the server's device lacks the precision that the model was trained in; "
                     "the scores come from engine "
                  << is.engine_id << '\n';
    }
    return true;
  };
  callbacks.tokens = [&](const std::vector<int32_t>& tokens,
                         const std::vector<client::DrawnLogProbability>& scored) {
    Json line = {{"tokens", tokens}};
    line["log_probabilities"] = ListToJson("all", scored)["all"];
    PrintLine(line, console.out);
    return console.out.good();
  };
  callbacks.progress = [&](const client::ScoreTotals& so_far) {
    progress.Update(so_far);
    return true;
  };
  const auto totals = (*client)->ScoreText(options, *source, callbacks, &console.interrupt);
  progress.Erase();
  if (absl::Status status = context.OrInterrupted(totals.status()); !status.ok()) {
    status = WithFlag(status, kFlags);
    return flags.model.empty() ? status : WithNearestModel(status, options.model, **client);
  }
  if (context.json()) {
    Json document = ToJson(*totals);
    document["model_version"] = start.model_version;
    document["position"] = start.position;
    document["engine_id"] = start.engine_id;
    document["engine_changed"] = start.engine_changed;
    // After lines it is a line, too.
    if (options.log_probabilities.has_value()) {
      PrintLine({{"totals", document}}, console.out);
    } else {
      PrintDocument(document, console.out);
    }
    return absl::OkStatus();
  }
  if (totals->unknown_count > 0) {
    console.err << "note: " << WholeNumber(totals->unknown_count)
                << " tokens that the model's vocabulary lacks are scored as <unk>\n";
  }
  PrintFields({{"model", start.model_version},
               {"tokens", WholeNumber(totals->tokens)},
               {"characters", WholeNumber(totals->characters)},
               {"perplexity", absl::StrFormat("%.4f", totals->perplexity)},
               {"bits per character", absl::StrFormat("%.4f", totals->bits_per_character)},
               {"engine", start.engine_id}},
              console.out);
  return absl::OkStatus();
}

}  // namespace

void AddScoreCommand(CLI::App& app, CommandContext& context) {
  CLI::App& command = AddCommand(
      app, "score", "Tells how probable a text is for a model: perplexity, bits per character.",
      "  derin score --model timemachine other.txt\n"
      "  derin score --session $S reply.txt           # after what the session has absorbed\n"
      "  derin score --model timemachine other.txt --log-probabilities 3 --json");
  auto flags = std::make_shared<ScoreFlags>();
  command.add_option("FILE", flags->file, "UTF-8 text; - is standard input")
      ->required()
      ->type_name("");
  command
      .add_option("--model", flags->model,
                  "from a zero state; its latest version, or a certain one: NAME/versions/N or "
                  "NAME/aliases/ALIAS")
      ->type_name("NAME");
  command
      .add_option("--session", flags->session,
                  "after what a session has absorbed, which stays as it is")
      ->type_name("ID");
  AddNumber(command, "--log-probabilities", flags->options.log_probabilities,
            "with --json: ln p of each token, and of the N most probable ones, 0 to 20 [none]");
  context.Define(command, [&context, flags] { return Score(context, *flags); });
}

}  // namespace derin::cli
