#include "client/cli/job_watch.h"

#include <optional>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "client/cli/enum_names.h"
#include "client/cli/formatting.h"
#include "client/cli/json_output.h"
#include "client/cli/missing_name.h"
#include "client/cli/progress_line.h"
#include "client/cli/resource_name.h"

namespace derin::cli {
namespace {

std::string EventLine(const client::TrainingEvent& event, absl::TimeZone zone) {
  const std::string time =
      event.time.has_value() ? absl::FormatTime("%H:%M:%S", *event.time, zone) + "  " : "";
  if (event.kind == client::TrainingEvent::Kind::kPublished) {
    return absl::StrCat(time, "published ", event.message);
  }
  if (event.kind == client::TrainingEvent::Kind::kResumed ||
      event.kind == client::TrainingEvent::Kind::kRecovered ||
      event.kind == client::TrainingEvent::Kind::kWaiting) {
    return absl::StrCat(time, event.message);
  }
  std::string line = absl::StrCat(time, std::string(Name(event.state)));
  if (!event.message.empty()) absl::StrAppend(&line, ": ", event.message);
  return line;
}

// The text on one line, whatever is in it.
std::string SampleLine(const client::DrawnSample& sample) {
  return absl::StrCat("step ", WholeNumber(sample.step), ": ", OneLine(sample.text));
}

// For people: notes and the live line on standard error.
absl::Status WatchWithLine(CommandContext& context, client::Client& client, const std::string& name,
                           const client::WatchOptions& options) {
  Console& console = context.console();
  ProgressLine line(
      console.err,
      {.terminal = console.err_is_terminal, .columns = console.columns, .now = console.now});
  bool lost = false;
  // The snapshot is newer than the stored events that come after it, so its progress waits for
  // them.
  int64_t shown_sequence = options.since_sequence;
  std::optional<client::TrainingJob> snapshot;
  const auto show_snapshot = [&] {
    if (!snapshot.has_value() || shown_sequence < snapshot->last_sequence) return;
    if (snapshot->progress.has_value()) line.Update(*snapshot->progress);
    snapshot.reset();
  };
  client::WatchCallbacks callbacks;
  callbacks.snapshot = [&](const client::TrainingJob& job) {
    if (lost) line.Note("connected again");
    lost = false;
    if (!client::IsOver(job.state)) snapshot = job;
    show_snapshot();
    return true;
  };
  callbacks.event = [&](const client::TrainingEvent& event) {
    line.Note(EventLine(event, console.time_zone));
    shown_sequence = event.sequence;
    show_snapshot();
    return true;
  };
  int64_t shown_sample = -1;  // its step
  callbacks.progress = [&](const client::TrainingProgress& progress) {
    snapshot.reset();
    if (progress.sample.has_value() && progress.sample->step != shown_sample) {
      shown_sample = progress.sample->step;
      line.Note(SampleLine(*progress.sample));
    }
    line.Update(progress);
    return true;
  };
  callbacks.reconnecting = [&line, &lost](const absl::Status&) {
    if (!lost) line.Note("the connection is lost; trying again");
    lost = true;
  };
  absl::Status status = client.WatchTrainingJob(name, options, callbacks, &console.interrupt);
  line.Finish();
  return status;
}

// For programs: one document a line on standard output.
absl::Status WatchAsJson(CommandContext& context, client::Client& client, const std::string& name,
                         const client::WatchOptions& options) {
  Console& console = context.console();
  const auto print = [&console](const char* kind, Json json) {
    PrintLine({{kind, std::move(json)}}, console.out);
    return console.out.good();
  };
  client::WatchCallbacks callbacks;
  callbacks.snapshot = [&](const client::TrainingJob& job) {
    return print("snapshot", ToJson(job));
  };
  callbacks.event = [&](const client::TrainingEvent& event) {
    return print("event", ToJson(event));
  };
  callbacks.progress = [&](const client::TrainingProgress& progress) {
    return print("progress", ToJson(progress));
  };
  return client.WatchTrainingJob(name, options, callbacks, &console.interrupt);
}

// `status` of a watch that lost the server for good.
absl::Status Lost(CommandContext& context, const absl::Status& status, const std::string& name) {
  if (!absl::IsUnavailable(status)) return status;
  return WithSuffix(
      status, absl::StrCat("\n  ", name, " goes on when the server is back; watch it:  ",
                           context.Suggest("jobs watch " + ResourceId("trainingJobs", name))));
}

absl::Status Interrupted(CommandContext& context, const std::string& name) {
  const std::string id = ResourceId("trainingJobs", name);
  return absl::CancelledError(absl::StrCat(
      "interrupted; ", name, " goes on\n  watch it:   ", context.Suggest("jobs watch " + id),
      "\n  pause it:   ", context.Suggest("jobs pause " + id),
      "\n  cancel it:  ", context.Suggest("jobs cancel " + id)));
}

std::string TimeTaken(const client::TrainingJob& job) {
  if (!job.start_time.has_value() || !job.end_time.has_value()) return "";
  return ShortDuration(*job.end_time - *job.start_time);
}

// What the job has come to, once it is over.
absl::Status Report(CommandContext& context, const client::TrainingJob& job) {
  Console& console = context.console();
  if (context.json()) PrintLine({{"result", ToJson(job)}}, console.out);
  if (job.state == client::JobState::kSucceeded) {
    if (context.json()) return absl::OkStatus();
    console.out << ResultLine(job) << '\n';
    console.err << "next: "
                << context.Suggest(absl::StrCat("generate --model ",
                                                ResourceId("models", job.spec.model),
                                                " --prompt \"...\""))
                << '\n';
    return absl::OkStatus();
  }
  std::string message = absl::StrCat(job.name, " ", std::string(Name(job.state)));
  if (const std::string taken = TimeTaken(job); !taken.empty()) {
    absl::StrAppend(&message, " after ", taken);
  }
  if (!job.message.empty()) absl::StrAppend(&message, ": ", job.message);
  return absl::AbortedError(message);
}

}  // namespace

std::string ResultLine(const client::TrainingJob& job) {
  std::string line = job.name + " succeeded";
  if (const std::string taken = TimeTaken(job); !taken.empty()) {
    absl::StrAppend(&line, " in ", taken);
  }
  if (job.progress.has_value() && job.progress->epoch_training_perplexity.has_value()) {
    const client::TrainingProgress& progress = *job.progress;
    absl::StrAppend(&line, ": perplexity ", Perplexity(progress.epoch_training_perplexity),
                    " (training)");
    if (progress.validation_perplexity.has_value()) {
      const std::string last = Perplexity(progress.validation_perplexity);
      const std::string best =
          Perplexity(progress.best_perplexity.value_or(*progress.validation_perplexity));
      absl::StrAppend(&line, ", ", last, " (validation", best == last ? "" : ", best " + best, ")");
    }
  }
  absl::StrAppend(&line, "; published ", job.model_version);
  return line;
}

absl::Status WatchJob(CommandContext& context, client::Client& client, const std::string& name,
                      int64_t since_sequence) {
  Console& console = context.console();
  console.catch_interrupts();
  client::WatchOptions options;
  options.since_sequence = since_sequence;
  const absl::Status status = context.json() ? WatchAsJson(context, client, name, options)
                                             : WatchWithLine(context, client, name, options);
  if (console.interrupt.cancelled()) return Interrupted(context, name);
  if (!status.ok()) return Lost(context, WithNearestJob(status, name, client), name);
  const auto job = client.GetTrainingJob(name);
  if (!job.ok()) return job.status();
  return Report(context, *job);
}

}  // namespace derin::cli
