#include "server/status_page/status_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace derin::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

StatusFigures Figures() {
  StatusFigures figures;
  figures.version = "1.2.3";
  figures.now = absl::FromUnixSeconds(1'800'000'000);
  figures.uptime = absl::Minutes(61);
  figures.backend = "cpu";
  figures.device = "A Processor";
  figures.engine_id = "cpu/f32/1";
  figures.threads = 2;
  figures.free_bytes = int64_t{3} << 30;
  figures.total_bytes = int64_t{4} << 30;
  return figures;
}

JobFigures Running() {
  JobFigures job;
  job.id = "night";
  job.model = "sea";
  job.state = "running";
  job.epoch = 3;
  job.epochs = 60;
  job.step = 1234;
  job.steps = 25'800;
  job.fraction_done = 0.25;
  job.tokens_per_second = 30'461;
  job.training_perplexity = 4.3210987;
  job.time_left = absl::Seconds(75);
  job.curve = {{1, 60, {}}, {600, 12, 13.0}, {1234, 4.3, 6.5}};
  return job;
}

// What is between tags, one space between words.
std::string Text(const std::string& html) {
  std::string text;
  bool in_tag = false;
  for (const char c : html.substr(html.find("<body>"))) {
    if (c == '<') in_tag = true;
    if (!in_tag && (c != ' ' || (!text.empty() && text.back() != ' '))) text += c == '\n' ? ' ' : c;
    if (c == '>') {
      in_tag = false;
      if (!text.empty() && text.back() != ' ') text += ' ';
    }
  }
  return text;
}

TEST(StatusPage, SaysWhatTheServerIsAndDoes) {
  StatusFigures figures = Figures();
  figures.trained_per_second = 28'358;
  figures.generated_per_second = 1'500;
  figures.prompt_per_second = 12;
  figures.streams_active = 5;
  figures.streams_waiting = 2;
  figures.sessions_on_device = 3;
  figures.sessions_in_memory = 40;
  figures.sessions_on_disk = 500;
  const std::string text = Text(StatusPage(figures));
  for (const char* part :
       {"Derin 1.2.3 ready up for 1 h 1 min", "Trained 28,358 tokens a second",
        "Generated 1,500 tokens a second", "Prompts 12.0 tokens a second",
        "Streams 5 active, 2 waiting", "Sessions 543 3 on the device, 40 in memory, 500 on disk",
        "Memory of the device 3.0 GiB free of 4.0 GiB",
        "Computes on A Processor (cpu), 2 threads, engine cpu/f32/1.",
        "None is running or waiting.", "There is none yet."}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(StatusPage, SaysWhenItTakesNoWork) {
  StatusFigures figures = Figures();
  figures.state = ServerState::kDraining;
  EXPECT_THAT(Text(StatusPage(figures)), HasSubstr("1.2.3 draining"));
  figures.state = ServerState::kDeviceLost;
  figures.failure = "illegal address <0x12>";
  EXPECT_THAT(Text(StatusPage(figures)),
              AllOf(HasSubstr("1.2.3 device lost"), HasSubstr("illegal address &lt;0x12&gt;")));
}

TEST(StatusPage, ShowsARunningJobWithItsCurve) {
  StatusFigures figures = Figures();
  figures.jobs = {Running()};
  figures.jobs[0].validation_perplexity = 6.5;
  figures.jobs[0].owner = "ada";
  figures.jobs[0].share = 3;
  figures.jobs_left_out = 7;
  const std::string page = StatusPage(figures);
  for (const char* part :
       {"night running trains the model sea for ada", "perplexity 4.321", "epoch 3 of 60",
        "step 1,234 of 25,800", "held-out perplexity 6.500", "tokens a second 30,461",
        "share of the device 3", "done 25.0 %", "time left 1 min 15 s", "and 7 more that wait."}) {
    EXPECT_THAT(Text(page), HasSubstr(part));
  }
  EXPECT_THAT(page, HasSubstr("<polyline class=\"training\""));
  EXPECT_THAT(page, HasSubstr("width:25.0%"));
}

TEST(StatusPage, ShowsAJobThatNeverRanWithoutFigures) {
  StatusFigures figures = Figures();
  figures.jobs.push_back({.id = "later", .model = "sea", .owner = "", .state = "queued"});
  EXPECT_THAT(Text(StatusPage(figures)), AllOf(HasSubstr("later queued trains the model sea"),
                                               Not(HasSubstr("epoch")), Not(HasSubstr("Waits"))));
  figures.jobs[0].waits = "1 job runs.";
  EXPECT_THAT(Text(StatusPage(figures)), HasSubstr("Waits: 1 job runs."));
}

TEST(StatusPage, ShowsJobsThatAreOverAndModels) {
  StatusFigures figures = Figures();
  JobFigures over = Running();
  over.state = "failed";
  over.over = true;
  over.why = "The loss is not a number.";
  over.end_time = figures.now - absl::Minutes(5);
  figures.old_jobs = {over};
  figures.models.push_back({.id = "harbour", .latest = ""});
  figures.models.push_back({.id = "sea",
                            .versions = 4,
                            .latest = "4",
                            .perplexity = 3.5,
                            .held_out = true,
                            .parameters = 140'988,
                            .bytes = 1 << 20,
                            .publish_time = figures.now - absl::Hours(50),
                            .aliases = {"canary: 4", "stable: 3"}});
  figures.models_left_out = true;
  const std::string text = Text(StatusPage(figures));
  for (const char* part :
       {"night failed 4.321 – 1,234", "5 min 0 s ago The loss is not a number.",
        "harbour 0 none published yet",
        "sea 4 4 3.500 held out 140,988 1.0 MiB 2 d 2 h ago canary: 4, stable: 3", "and more:"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

// Names come from clients, sentences may quote them.
TEST(StatusPage, NothingThatItIsGivenIsMarkup) {
  const std::string evil = "<img src=x onerror='alert(1)'>\"&";
  StatusFigures figures = Figures();
  figures.version = figures.backend = figures.device = figures.instructions = figures.engine_id =
      figures.failure = evil;
  figures.jobs = {Running()};
  figures.old_jobs = {Running()};
  for (JobFigures* job : {&figures.jobs[0], &figures.old_jobs[0]}) {
    job->id = job->model = job->owner = job->state = job->why = evil;
  }
  figures.models.push_back({.id = evil, .versions = 1, .latest = evil, .aliases = {evil}});
  const std::string page = StatusPage(figures);
  EXPECT_THAT(page, AllOf(Not(HasSubstr("<img")), Not(HasSubstr("onerror='")),
                          HasSubstr("&lt;img src=x onerror=&#39;alert(1)&#39;&gt;&quot;&amp;")));
}

TEST(StatusPage, FetchesNothingElse) {
  StatusFigures figures = Figures();
  figures.jobs = {Running()};
  const std::string page = StatusPage(figures);
  for (const char* foreign :
       {"<script", "<link", "<img", "<iframe", "http://", "https://", "url(", "@import"}) {
    EXPECT_THAT(page, Not(HasSubstr(foreign)));
  }
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme: dark"));
}

}  // namespace
}  // namespace derin::server
