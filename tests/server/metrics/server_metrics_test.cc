#include "server/metrics/server_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "prometheus/text_serializer.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct ServerMetricsTest : testing::Test {
  absl::Duration now;
  ServerMetrics metrics{[this] { return now; }};

  std::string Text() const { return prometheus::TextSerializer().Serialize(metrics.all.Collect()); }

  // One series in each metric that has labels, and a source for those that ask.
  void FillAll() {
    metrics.training_tokens.With("m").Add(1);
    metrics.prompt_tokens.With("m").Add(2);
    metrics.generated_tokens.With("m").Add(3);
    metrics.training_jobs.Bind([] { return std::vector<CallbackGauge::Sample>{{{"queued"}, 1}}; });
    metrics.training_tokens_per_second.Set({"j"}, 1);
    metrics.training_perplexity.Set({"j", "training"}, 2);
    metrics.training_progress_ratio.Set({"j"}, 0.5);
    metrics.training_gradient_norm.Set({"j"}, 3);
    metrics.generation_requests.With("m", "length").Add();
    metrics.generation_active.BindValue([] { return 1.0; });
    metrics.generation_waiting.BindValue([] { return 1.0; });
    metrics.sessions.Bind([] { return std::vector<CallbackGauge::Sample>{{{"device"}, 1}}; });
    metrics.session_state_bytes.Bind([] {
      return std::vector<CallbackGauge::Sample>{{{"device"}, 4096}};
    });
    metrics.session_evictions.Bind([] {
      return std::vector<CallbackGauge::Sample>{{{"expired"}, 1}};
    });
    metrics.session_restores.Bind([] {
      return std::vector<CallbackGauge::Sample>{{{"disk", "ok"}, 1}};
    });
    metrics.CallIsOver("S/M", absl::OkStatus());
    metrics.CallIsOver("S/M", Refusal(absl::StatusCode::kAborted, "BUSY", "wait"));
    metrics.grpc_request_seconds.With("S/M").Record(absl::Milliseconds(1));
    metrics.grpc_in_flight.With("S/M").Add(1);
    metrics.device_info.Set({"cpu", "A \"quoted\" processor", "cpu/f32/1"}, 1);
    metrics.device_memory_bytes.Bind([] {
      return std::vector<CallbackGauge::Sample>{{{"free"}, 1}};
    });
    metrics.device_turn_seconds.Bind([] {
      return std::vector<CallbackGauge::Sample>{{{"training"}, 1}};
    });
    metrics.data_disk_bytes.Bind([] { return std::vector<CallbackGauge::Sample>{{{"free"}, 1}}; });
    for (CallbackGauge* gauge :
         {&metrics.device_lost, &metrics.device_used_memory_bytes,
          &metrics.device_utilization_ratio, &metrics.device_temperature_celsius,
          &metrics.device_power_watts}) {
      gauge->BindValue([] { return 1.0; });
    }
    metrics.usage_tokens.Bind([] {
      return std::vector<CallbackGauge::Sample>{{{"ada", "generated"}, 1}};
    });
    metrics.usage_seconds.Bind([] {
      return std::vector<CallbackGauge::Sample>{{{"ada", "calls"}, 1}};
    });
    metrics.build_info.Set({"0.1.0"}, 1);
  }
};

TEST_F(ServerMetricsTest, EachHasHelpAndTypeBeforeItsSamples) {
  FillAll();
  std::set<std::string> helped;
  std::map<std::string, std::string> types;
  const std::regex sample(
      R"(([a-z_]+)(\{([a-z_]+="([^"\\\n]|\\["\\n])*",?)*\})? ([-+0-9.eInfNa]+))");
  std::istringstream text(Text());
  std::string line;
  while (std::getline(text, line)) {
    std::istringstream words(line);
    std::string hash, keyword, name, rest;
    std::smatch match;
    if (line.rfind("# ", 0) == 0) {
      words >> hash >> keyword >> name >> rest;
      if (keyword == "HELP") {
        EXPECT_TRUE(helped.insert(name).second) << line;
      }
      if (keyword == "TYPE") types[name] = rest;
      EXPECT_FALSE(rest.empty()) << line;
    } else {
      ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
      name = match[1];
      for (const std::string suffix : {"_bucket", "_sum", "_count"}) {
        const size_t at = name.size() - std::min(name.size(), suffix.size());
        if (name.substr(at) == suffix && types[name.substr(0, at)] == "histogram") {
          name.resize(at);
        }
      }
      EXPECT_TRUE(helped.contains(name)) << line;
      EXPECT_FALSE(types[name].empty()) << line;
    }
  }
  EXPECT_EQ(helped.size(), metrics.all.metrics().size());
}

TEST_F(ServerMetricsTest, NamesEndWithTheirUnit) {
  for (const Metric* metric : metrics.all.metrics()) {
    const MetricInfo& info = metric->info();
    EXPECT_TRUE(std::regex_match(info.name, std::regex("(derin|process)_[a-z_]+"))) << info.name;
    EXPECT_FALSE(info.help.empty()) << info.name;
    if (info.unit == "celsius" || info.unit == "watts" || info.unit == "seconds" ||
        info.unit == "bytes" || info.unit == "ratio") {
      EXPECT_TRUE(std::regex_match(info.name, std::regex(".*_" + info.unit + "(_total)?")))
          << info.name;
    }
  }
}

TEST_F(ServerMetricsTest, NoNameIsDeclaredTwice) {
  std::set<std::string> names;
  for (const Metric* metric : metrics.all.metrics()) {
    EXPECT_TRUE(names.insert(metric->info().name).second) << metric->info().name;
  }
}

TEST_F(ServerMetricsTest, SeriesOfAJobLeaveFiveMinutesAfterItsEnd) {
  metrics.training_perplexity.Set({"job-1", "validation"}, 2.5);
  metrics.training_gradient_norm.Set({"job-1"}, 1);
  metrics.training_gradient_norm.Set({"job-2"}, 1);
  metrics.TrainingJobIsOver("job-1");
  now += absl::Minutes(5) - absl::Seconds(1);
  EXPECT_THAT(Text(), HasSubstr(R"(derin_training_perplexity{training_job="job-1",)"
                                R"(split="validation"} 2.5)"));
  now += absl::Seconds(1);
  EXPECT_THAT(Text(), Not(HasSubstr("job-1")));
  EXPECT_THAT(Text(), HasSubstr("job-2"));
}

TEST_F(ServerMetricsTest, KnowsBothKindsOfWorkFromTheStart) {
  metrics.training_busy.Add(absl::Milliseconds(1500));
  EXPECT_THAT(Text(), HasSubstr("\nderin_device_busy_seconds_total{work=\"training\"} 1.5\n"));
  EXPECT_THAT(Text(), HasSubstr("\nderin_device_busy_seconds_total{work=\"generation\"} 0\n"));
}

TEST_F(ServerMetricsTest, WithoutAGpuThereIsNothingOfOne) {
  for (const char* name : {"utilization", "temperature", "power", "used_memory"}) {
    EXPECT_THAT(Text(), Not(HasSubstr("derin_device_" + std::string(name))));
  }
}

TEST_F(ServerMetricsTest, TellsAboutTheProcess) {
  EXPECT_THAT(Text(), HasSubstr("# TYPE process_cpu_seconds_total counter"));
  EXPECT_THAT(Text(), HasSubstr("\nprocess_resident_memory_bytes "));
}

}  // namespace
}  // namespace derin::server
