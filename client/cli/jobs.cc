#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/curve_text.h"
#include "client/cli/enum_names.h"
#include "client/cli/formatting.h"
#include "client/cli/job_text.h"
#include "client/cli/job_watch.h"
#include "client/cli/json_output.h"
#include "client/cli/missing_name.h"
#include "client/cli/options.h"
#include "client/cli/resource_name.h"
#include "client/cli/table.h"

namespace derin::cli {
namespace {

constexpr char kCollection[] = "trainingJobs";

std::shared_ptr<std::string> AddJobArgument(CLI::App& command) {
  auto job = std::make_shared<std::string>();
  command.add_option("JOB", *job, "its id, as `derin jobs list` shows it")
      ->required()
      ->type_name("");
  return job;
}

std::shared_ptr<int64_t> AddStepArgument(CLI::App& command) {
  auto step = std::make_shared<int64_t>();
  command.add_option("STEP", *step, "its checkpoint's, as `derin jobs checkpoints` shows it")
      ->required()
      ->type_name("");
  return step;
}

std::string CheckpointName(const std::string& job, int64_t step) {
  return absl::StrCat(ResourceName(kCollection, job), "/checkpoints/", step);
}

// "sea", or of several texts "sea, guide".
std::string CorporaIds(const client::TrainingSpec& spec) {
  std::string ids = ResourceId("corpora", spec.corpus);
  for (const client::WeightedCorpus& more : spec.more_corpora) {
    absl::StrAppend(&ids, ", ", ResourceId("corpora", more.corpus));
  }
  return ids;
}

void Print(const std::vector<client::TrainingJob>& jobs, Console& console) {
  Table table({{"JOB"},
               {"STATE"},
               {"MODEL"},
               {"CORPUS"},
               {"EPOCH", Table::Align::kRight},
               {"PERPLEXITY", Table::Align::kRight},
               {"DONE", Table::Align::kRight},
               {"SHARE", Table::Align::kRight},
               {"CREATED"}});
  for (const client::TrainingJob& job : jobs) {
    std::string epoch = "-";
    std::string perplexity = "-";
    std::string done = "-";
    if (job.progress.has_value()) {
      epoch = absl::StrCat(job.progress->epoch, "/", job.progress->epochs);
      perplexity = Perplexity(job.progress->training_perplexity);
      done = absl::StrCat(static_cast<int>(job.progress->fraction_done * 100), " %");
    }
    table.AddRow({ResourceId(kCollection, job.name), std::string(Name(job.state)),
                  ResourceId("models", job.spec.model), CorporaIds(job.spec), epoch, perplexity,
                  done, absl::StrCat(job.share), LocalTime(job.create_time, console.time_zone)});
  }
  table.Print(console.out);
  for (const client::TrainingJob& job : jobs) {
    if (job.waiting_reason.empty()) continue;
    console.err << ResourceId(kCollection, job.name) << " waits: " << job.waiting_reason << '\n';
  }
}

void DefineList(CLI::App& jobs, CommandContext& context) {
  CLI::App& command = AddCommand(jobs, "list", "Lists the training jobs, newest first.",
                                 "  derin jobs list\n"
                                 "  derin jobs list --label team=verse\n"
                                 "  derin jobs list --json | jq -r '.training_jobs[] | .name'");
  auto labels = std::make_shared<std::map<std::string, std::string>>();
  AddLabels(command, "--label", *labels, "only jobs that have it; may be repeated [all]");
  context.DefineWithClient(command, [&context, labels](client::Client& client) -> absl::Status {
    Console& console = context.console();
    const auto found = client.ListTrainingJobs(*labels);
    if (!found.ok()) return found.status();
    if (context.json()) {
      PrintDocument(ListToJson("training_jobs", *found), console.out);
    } else if (found->empty() && !labels->empty()) {
      console.err << "no job has these labels\n";
    } else if (found->empty()) {
      console.err << "no jobs yet; start one: "
                  << context.Suggest("train --corpus NAME --model NAME") << '\n';
    } else {
      Print(*found, console);
    }
    return absl::OkStatus();
  });
}

void DefineShow(CLI::App& jobs, CommandContext& context) {
  CLI::App& command = AddCommand(jobs, "show", "Says all that is known of one training job.",
                                 "  derin jobs show job-js2zv3h3vxqw");
  const auto job = AddJobArgument(command);
  context.DefineWithClient(command, [&context, job](client::Client& client) -> absl::Status {
    const auto found = client.GetTrainingJob(ResourceName(kCollection, *job));
    if (!found.ok()) return WithNearestJob(found.status(), *job, client);
    if (context.json()) {
      PrintDocument(ToJson(*found), context.console().out);
    } else {
      PrintJob(*found, context.console().time_zone, context.console().out);
    }
    return absl::OkStatus();
  });
}

void DefineWatch(CLI::App& jobs, CommandContext& context) {
  CLI::App& command =
      AddCommand(jobs, "watch",
                 "Shows a job's progress until it is over; status 0 when it succeeded. Ctrl-C ends "
                 "the watching, not the job.",
                 "  derin jobs watch job-js2zv3h3vxqw\n"
                 "  derin jobs watch job-js2zv3h3vxqw --json | jq 'select(.progress) | "
                 ".progress.training_perplexity'");
  const auto job = AddJobArgument(command);
  context.DefineWithClient(command, [&context, job](client::Client& client) {
    return WatchJob(context, client, ResourceName(kCollection, *job), /*since_sequence=*/0);
  });
}

// A command that changes a job's state with one call.
void DefineChange(
    CLI::App& jobs, CommandContext& context, const std::string& name, const std::string& help,
    absl::StatusOr<client::TrainingJob> (client::Client::*change)(const std::string& name)) {
  CLI::App& command =
      AddCommand(jobs, name, help, absl::StrCat("  derin jobs ", name, " job-js2zv3h3vxqw"));
  const auto job = AddJobArgument(command);
  context.DefineWithClient(
      command, [&context, job, change](client::Client& client) -> absl::Status {
        const auto changed = (client.*change)(ResourceName(kCollection, *job));
        if (!changed.ok()) {
          return WithNearestJob(changed.status(), *job, client);
        }
        if (context.json()) {
          PrintDocument(ToJson(*changed), context.console().out);
        } else {
          context.console().out << changed->name << " is " << Name(changed->state) << '\n';
        }
        return absl::OkStatus();
      });
}

void DefineUpdate(CLI::App& jobs, CommandContext& context) {
  CLI::App& command =
      AddCommand(jobs, "update",
                 "Changes the priority, the share or the labels of a job, in whatever state it is.",
                 "  derin jobs update job-js2zv3h3vxqw --priority 10\n"
                 "  derin jobs update job-js2zv3h3vxqw --share 3\n"
                 "  derin jobs update job-js2zv3h3vxqw --label team=verse --remove-label draft");
  const auto job = AddJobArgument(command);
  auto edit = std::make_shared<client::TrainingJobEdit>();
  AddNumber(command, "--priority", edit->priority,
            "of the jobs that wait the one with the highest begins first, -100 to 100 [as it is]");
  AddNumber(command, "--share", edit->share,
            "of the time that the device trains it gets that in proportion to what runs beside it, "
            "1 to 100 [as it is]");
  AddLabels(command, "--label", edit->set_labels, "to set; may be repeated");
  AddTexts(command, "--remove-label", edit->remove_labels,
           "the key of one to remove; may be repeated");
  context.DefineWithClient(command, [&context, job, edit](client::Client& client) -> absl::Status {
    if (!edit->priority && !edit->share && edit->set_labels.empty() &&
        edit->remove_labels.empty()) {
      return context.BadUsage("--priority, --share, --label or --remove-label is required");
    }
    const auto changed = client.UpdateTrainingJob(ResourceName(kCollection, *job), *edit);
    if (!changed.ok()) return WithNearestJob(changed.status(), *job, client);
    if (context.json()) {
      PrintDocument(ToJson(*changed), context.console().out);
    } else {
      context.console().out << changed->name << " has priority " << changed->priority << ", share "
                            << changed->share << " and labels "
                            << (changed->labels.empty() ? "none" : LabelsText(changed->labels))
                            << '\n';
    }
    return absl::OkStatus();
  });
}

void DefineCheckpoints(CLI::App& jobs, CommandContext& context) {
  CLI::App& command =
      AddCommand(jobs, "checkpoints", "Lists what a job can go on from, newest first.",
                 "  derin jobs checkpoints job-js2zv3h3vxqw");
  const auto job = AddJobArgument(command);
  context.DefineWithClient(command, [&context, job](client::Client& client) -> absl::Status {
    Console& console = context.console();
    const auto found = client.ListTrainingCheckpoints(ResourceName(kCollection, *job));
    if (!found.ok()) return WithNearestJob(found.status(), *job, client);
    if (context.json()) {
      PrintDocument(ListToJson("training_checkpoints", *found), console.out);
      return absl::OkStatus();
    }
    if (found->empty()) {
      console.err << "no checkpoints yet\n";
      return absl::OkStatus();
    }
    Table table({{"STEP", Table::Align::kRight},
                 {"PERPLEXITY", Table::Align::kRight},
                 {"VALIDATION", Table::Align::kRight},
                 {"BYTES", Table::Align::kRight},
                 {"ENGINE"},
                 {"WRITTEN"}});
    for (const client::TrainingCheckpoint& one : *found) {
      table.AddRow({WholeNumber(one.step), Perplexity(one.training_perplexity),
                    Perplexity(one.validation_perplexity), WholeNumber(one.size_bytes),
                    one.engine_id, LocalTime(one.create_time, console.time_zone)});
    }
    table.Print(console.out);
    return absl::OkStatus();
  });
}

void DefineCurve(CLI::App& jobs, CommandContext& context) {
  CLI::App& command = AddCommand(
      jobs, "curve", "Shows a job's perplexity over its steps, until now or until it was over.",
      "  derin jobs curve job-js2zv3h3vxqw\n"
      "  derin jobs curve job-js2zv3h3vxqw --plot\n"
      "  derin jobs curve job-js2zv3h3vxqw --json | jq '.training_metrics[] | [.step, "
      ".training_perplexity]'");
  const auto job = AddJobArgument(command);
  auto rows = std::make_shared<std::optional<int64_t>>();
  auto plot = std::make_shared<bool>(false);
  AddNumber(command, "--rows", *rows, "of the table, at most; JSON has all points [20]");
  command.add_flag("--plot", *plot, "draw it instead, on a logarithmic scale");
  context.DefineWithClient(
      command, [&context, job, rows, plot](client::Client& client) -> absl::Status {
        Console& console = context.console();
        if (rows->value_or(1) < 1) return context.BadUsage("--rows wants a number from 1");
        const auto points = client.ListTrainingMetrics(ResourceName(kCollection, *job));
        if (!points.ok()) return WithNearestJob(points.status(), *job, client);
        if (context.json()) {
          PrintDocument(ListToJson("training_metrics", *points), console.out);
        } else if (points->empty()) {
          console.err << "nothing was trained yet\n";
        } else if (*plot) {
          PlotCurve(*points, console.columns(), console.out);
        } else {
          PrintCurve(*points, rows->value_or(20), console.out);
        }
        return absl::OkStatus();
      });
}

// The newest checkpoint's name where `step` says none.
absl::StatusOr<std::string> CheckpointToPublish(client::Client& client, const std::string& job,
                                                std::optional<int64_t> step) {
  if (step.has_value()) return CheckpointName(job, *step);
  const auto found = client.ListTrainingCheckpoints(ResourceName(kCollection, job));
  if (!found.ok()) return found.status();
  if (found->empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(ResourceName(kCollection, job),
                     " has no checkpoint yet; one is written when it is paused"));
  }
  return found->front().name;
}

void DefinePublish(CLI::App& jobs, CommandContext& context) {
  CLI::App& command = AddCommand(
      jobs, "publish",
      "Makes a checkpoint of a job the next version of its model, also while the job runs.",
      "  derin jobs publish job-js2zv3h3vxqw\n"
      "  derin jobs publish job-js2zv3h3vxqw --step 1200");
  const auto job = AddJobArgument(command);
  auto step = std::make_shared<std::optional<int64_t>>();
  AddNumber(command, "--step", *step,
            "the checkpoint's, as `derin jobs checkpoints` shows it [newest]");
  context.DefineWithClient(command, [&context, job, step](client::Client& client) -> absl::Status {
    const auto checkpoint = CheckpointToPublish(client, *job, *step);
    if (!checkpoint.ok()) return WithNearestJob(checkpoint.status(), *job, client);
    const auto version = client.PublishTrainingCheckpoint(*checkpoint);
    if (!version.ok()) return WithNearestJob(version.status(), *job, client);
    if (context.json()) {
      PrintDocument(ToJson(*version), context.console().out);
    } else {
      context.console().out << "published " << version->name << '\n';
    }
    return absl::OkStatus();
  });
}

void DefineDelete(CLI::App& jobs, CommandContext& context) {
  CLI::App& command =
      AddCommand(jobs, "delete",
                 "Deletes a job that is over or paused, and its checkpoints. Versions "
                 "that it published stay.",
                 "  derin jobs delete job-js2zv3h3vxqw");
  const auto job = AddJobArgument(command);
  context.DefineWithClient(command, [&context, job](client::Client& client) -> absl::Status {
    const std::string name = ResourceName(kCollection, *job);
    const absl::Status deleted = client.DeleteTrainingJob(name);
    if (!deleted.ok()) return WithNearestJob(deleted, *job, client);
    context.PrintDone("deleted", name);
    return absl::OkStatus();
  });
}

void DefineDeleteCheckpoint(CLI::App& jobs, CommandContext& context) {
  CLI::App& command =
      AddCommand(jobs, "delete-checkpoint",
                 "Deletes one checkpoint of a job, but not the one it goes on from.",
                 "  derin jobs delete-checkpoint job-js2zv3h3vxqw 1200");
  const auto job = AddJobArgument(command);
  const auto step = AddStepArgument(command);
  context.DefineWithClient(command, [&context, job, step](client::Client& client) -> absl::Status {
    const std::string name = CheckpointName(*job, *step);
    const absl::Status deleted = client.DeleteTrainingCheckpoint(name);
    if (!deleted.ok()) return WithNearestJob(deleted, *job, client);
    context.PrintDone("deleted", name);
    return absl::OkStatus();
  });
}

}  // namespace

void AddJobsCommand(CLI::App& app, CommandContext& context) {
  CLI::App& jobs =
      AddCommand(app, "jobs",
                 "Training jobs: list, show, watch, update, pause, resume, yield, curve, "
                 "checkpoints, publish, delete-checkpoint, cancel, delete.",
                 "  derin jobs list\n"
                 "  derin jobs watch job-js2zv3h3vxqw");
  jobs.require_subcommand(0, 1);
  DefineList(jobs, context);
  DefineShow(jobs, context);
  DefineWatch(jobs, context);
  DefineChange(jobs, context, "pause",
               "Writes a checkpoint after the job's next step and frees the device.",
               &client::Client::PauseTrainingJob);
  DefineChange(jobs, context, "resume", "Queues a paused job; it goes on as if never paused.",
               &client::Client::ResumeTrainingJob);
  DefineChange(jobs, context, "yield",
               "Has a running job go back to the queue, behind those of its priority.",
               &client::Client::YieldTrainingJob);
  DefineUpdate(jobs, context);
  DefineCheckpoints(jobs, context);
  DefineCurve(jobs, context);
  DefinePublish(jobs, context);
  DefineDeleteCheckpoint(jobs, context);
  DefineChange(jobs, context, "cancel",
               "Ends a job at its next step; nothing is published, its newest checkpoint stays.",
               &client::Client::CancelTrainingJob);
  DefineDelete(jobs, context);
}

}  // namespace derin::cli
