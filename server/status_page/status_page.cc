#include "server/status_page/status_page.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "server/status_page/html_text.h"
#include "server/status_page/page_style.h"
#include "server/status_page/perplexity_chart.h"
#include "server/status_page/readable_figures.h"

namespace derin::server {
namespace {

constexpr int kRefreshSeconds = 5;
constexpr ChartSize kJobChart{.width = 700, .height = 210};
constexpr ChartSize kOldJobChart{.width = 150, .height = 34, .axes = false};

std::string Pill(std::string_view tone, std::string_view text) {
  return absl::StrFormat("<span class=\"pill %s\">%s</span>", std::string(tone), HtmlText(text));
}

std::string StatePill(const StatusFigures& figures) {
  switch (figures.state) {
    case ServerState::kReady:
      return Pill("good", "ready");
    case ServerState::kDraining:
      return Pill("warn", "draining");
    case ServerState::kDeviceLost:
      return Pill("bad", "device lost");
  }
  return "";
}

std::string JobPill(const JobFigures& job) {
  const bool moves = job.state == "running" || job.state == "succeeded";
  return Pill(moves ? "good" : job.state == "failed" ? "bad" : "warn", job.state);
}

std::string Bar(double share) {
  return absl::StrFormat("<div class=\"bar\"><i style=\"width:%.1f%%\"></i></div>",
                         100 * std::clamp(share, 0.0, 1.0));
}

// A figure on a card of its own, with what it is and a line below.
std::string Card(std::string_view label, const std::string& figure, const std::string& below) {
  return absl::StrFormat(
      "<div class=\"card\"><div class=\"label\">%s</div><div class=\"figure\">%s</div>"
      "<div class=\"label\">%s</div></div>\n",
      HtmlText(label), figure, below);
}

void AppendHead(std::string& html, const StatusFigures& figures) {
  absl::StrAppendFormat(
      &html,
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
      "<meta http-equiv=\"refresh\" content=\"%d\"><title>Derin</title><style>%s</style></head>\n"
      "<body><main><header><h1>Derin</h1><span class=\"faint\">%s</span>%s"
      "<span class=\"faint right\">up for %s · as of %s UTC</span></header>\n",
      kRefreshSeconds, kPageStyle, HtmlText(figures.version), StatePill(figures),
      ReadableSpan(figures.uptime),
      absl::FormatTime("%Y-%m-%d %H:%M:%S", figures.now, absl::UTCTimeZone()));
}

void AppendCards(std::string& html, const StatusFigures& figures) {
  const int64_t sessions =
      figures.sessions_on_device + figures.sessions_in_memory + figures.sessions_on_disk;
  absl::StrAppend(
      &html, "<div class=\"cards\">",
      Card("Trained", ReadableRate(figures.trained_per_second), "tokens a second"),
      Card("Generated", ReadableRate(figures.generated_per_second), "tokens a second"),
      Card("Prompts", ReadableRate(figures.prompt_per_second), "tokens a second"),
      Card("Streams", ReadableCount(figures.streams_active),
           absl::StrCat("active, ", ReadableCount(figures.streams_waiting), " waiting")),
      Card("Sessions", ReadableCount(sessions),
           absl::StrCat(ReadableCount(figures.sessions_on_device), " on the device, ",
                        ReadableCount(figures.sessions_in_memory), " in memory, ",
                        ReadableCount(figures.sessions_on_disk), " on disk")));
  const int64_t used = figures.total_bytes - figures.free_bytes;
  const double share = figures.total_bytes > 0
                           ? static_cast<double>(used) / static_cast<double>(figures.total_bytes)
                           : 0;
  absl::StrAppend(&html,
                  Card("Memory of the device", ReadableBytes(figures.free_bytes),
                       absl::StrCat("free of ", ReadableBytes(figures.total_bytes), Bar(share))),
                  "</div>\n");
  absl::StrAppendFormat(
      &html, "<p class=\"faint\">Computes on %s (%s)%s%s, %d %s, engine %s.</p>\n",
      HtmlText(figures.device), HtmlText(figures.backend), figures.instructions.empty() ? "" : ", ",
      HtmlText(figures.instructions), figures.threads, figures.threads == 1 ? "thread" : "threads",
      HtmlText(figures.engine_id));
  if (!figures.failure.empty()) {
    absl::StrAppend(&html, "<p class=\"bad\">", HtmlText(figures.failure), "</p>\n");
  }
}

void AppendFact(std::string& html, std::string_view name, const std::string& value) {
  absl::StrAppend(&html, "<dt>", HtmlText(name), "</dt><dd>", value, "</dd>");
}

std::string OfAll(int64_t done, int64_t all) {
  return absl::StrCat(ReadableCount(done), " of ", ReadableCount(all));
}

void AppendJob(std::string& html, const JobFigures& job) {
  absl::StrAppendFormat(&html,
                        "<div class=\"card job\"><div class=\"row\"><h3>%s</h3>%s"
                        "<span class=\"faint\">trains the model %s%s%s</span>",
                        HtmlText(job.id), JobPill(job), HtmlText(job.model),
                        job.owner.empty() ? "" : " for ", HtmlText(job.owner));
  if (job.training_perplexity.has_value()) {
    absl::StrAppendFormat(&html,
                          "<span class=\"right\"><span class=\"label\">perplexity</span> "
                          "<span class=\"figure key-training\">%s</span></span>",
                          ReadablePerplexity(*job.training_perplexity));
  }
  absl::StrAppend(&html, "</div>");
  if (!job.waits.empty()) {
    absl::StrAppend(&html, "<p class=\"faint\">Waits: ", HtmlText(job.waits), "</p>");
  }
  if (job.steps > 0) {
    const std::string chart = PerplexityChart(job.curve, kJobChart);
    absl::StrAppend(
        &html, "<div class=\"split\"><div>",
        chart.empty() ? "<span class=\"faint\">The curve begins with a few steps.</span>" : chart,
        "</div><dl>");
    if (job.training_perplexity.has_value()) {
      AppendFact(html, "— training perplexity",
                 absl::StrCat("<span class=\"key-training\">",
                              ReadablePerplexity(*job.training_perplexity), "</span>"));
    }
    if (job.validation_perplexity.has_value()) {
      AppendFact(html, "┄ held-out perplexity",
                 absl::StrCat("<span class=\"key-validation\">",
                              ReadablePerplexity(*job.validation_perplexity), "</span>"));
    }
    AppendFact(html, "epoch", OfAll(job.epoch, job.epochs));
    AppendFact(html, "step", OfAll(job.step, job.steps));
    AppendFact(html, "tokens a second", ReadableRate(job.tokens_per_second));
    AppendFact(html, "share of the device", absl::StrCat(job.share));
    AppendFact(html, "done", absl::StrFormat("%.1f %%", 100 * job.fraction_done));
    AppendFact(html, "time left",
               job.time_left.has_value() ? ReadableSpan(*job.time_left) : "unknown");
    absl::StrAppend(&html, "</dl></div>", Bar(job.fraction_done));
  }
  absl::StrAppend(&html, "</div>\n");
}

void AppendJobs(std::string& html, const StatusFigures& figures) {
  absl::StrAppend(&html, "<h2>Training jobs</h2>\n");
  if (figures.jobs.empty()) {
    absl::StrAppend(&html, "<p class=\"faint\">None is running or waiting.</p>\n");
  }
  for (const JobFigures& job : figures.jobs) AppendJob(html, job);
  if (figures.jobs_left_out > 0) {
    absl::StrAppend(&html, "<p class=\"faint\">and ", ReadableCount(figures.jobs_left_out),
                    " more that wait.</p>\n");
  }
}

std::string PerplexityCell(const std::optional<double>& perplexity) {
  return absl::StrCat("<td class=\"number\">",
                      perplexity.has_value() ? ReadablePerplexity(*perplexity) : "–", "</td>");
}

void AppendOldJobs(std::string& html, const StatusFigures& figures) {
  if (figures.old_jobs.empty()) return;
  absl::StrAppend(
      &html,
      "<h2>Jobs that are over</h2>\n<div class=\"card scroll\"><table><tr><th>job</th>"
      "<th>state</th><th class=\"number\">perplexity</th><th class=\"number\">held out</th>"
      "<th class=\"number\">steps</th><th>curve</th><th>ended</th><th>why</th></tr>\n");
  for (const JobFigures& job : figures.old_jobs) {
    absl::StrAppend(&html, "<tr><td>", HtmlText(job.id), "</td><td>", JobPill(job), "</td>",
                    PerplexityCell(job.training_perplexity),
                    PerplexityCell(job.validation_perplexity), "<td class=\"number\">",
                    ReadableCount(job.step), "</td><td>", PerplexityChart(job.curve, kOldJobChart),
                    "</td><td>", ReadableSpan(figures.now - job.end_time),
                    " ago</td><td class=\"why\">", HtmlText(job.why), "</td></tr>\n");
  }
  absl::StrAppend(&html, "</table></div>\n");
}

void AppendModels(std::string& html, const StatusFigures& figures) {
  absl::StrAppend(&html, "<h2>Models</h2>\n");
  if (figures.models.empty()) {
    absl::StrAppend(&html, "<p class=\"faint\">There is none yet.</p>\n");
    return;
  }
  absl::StrAppend(
      &html,
      "<div class=\"card scroll\"><table><tr><th>model</th><th class=\"number\">versions</th>"
      "<th class=\"number\">latest</th><th class=\"number\">perplexity</th>"
      "<th class=\"number\">parameters</th><th class=\"number\">size</th><th>published</th>"
      "<th>aliases</th></tr>\n");
  for (const ModelFigures& model : figures.models) {
    absl::StrAppend(&html, "<tr><td>", HtmlText(model.id), "</td><td class=\"number\">",
                    ReadableCount(model.versions), "</td>");
    if (model.versions == 0) {
      absl::StrAppend(&html, "<td colspan=\"6\" class=\"faint\">none published yet</td></tr>\n");
      continue;
    }
    absl::StrAppend(
        &html, "<td class=\"number\">", HtmlText(model.latest), "</td><td class=\"number\">",
        model.perplexity.has_value() ? ReadablePerplexity(*model.perplexity) : "–",
        model.held_out ? " held out" : "", "</td><td class=\"number\">",
        ReadableCount(model.parameters), "</td><td class=\"number\">", ReadableBytes(model.bytes),
        "</td><td>", ReadableSpan(figures.now - model.publish_time), " ago</td><td>",
        HtmlText(absl::StrJoin(model.aliases, ", ")), "</td></tr>\n");
  }
  absl::StrAppend(&html, "</table></div>\n");
  if (figures.models_left_out) {
    absl::StrAppend(&html, "<p class=\"faint\">and more: <code>derin models list</code>.</p>\n");
  }
}

}  // namespace

std::string StatusPage(const StatusFigures& figures) {
  std::string html;
  AppendHead(html, figures);
  AppendCards(html, figures);
  AppendJobs(html, figures);
  AppendOldJobs(html, figures);
  AppendModels(html, figures);
  absl::StrAppend(&html,
                  "<p class=\"faint\">Rates are over the last five seconds. "
                  "<a href=\"/metrics\">metrics</a></p></main></body></html>\n");
  return html;
}

}  // namespace derin::server
