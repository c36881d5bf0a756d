#include "tests/benchmarks/load/load_report.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace derin {
namespace {

struct Share {
  const char* name;
  double share;
};
constexpr Share kShares[] = {
    {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};

std::string ChunkingText(const LoadSettings& settings) {
  if (settings.protocol == LoadProtocol::kTriton) return "a call for each token";
  if (settings.chunking == Chunking::kPerToken) return "a message for each token";
  if (settings.chunking == Chunking::kDefault) return "messages as the server's default has them";
  return absl::StrCat("at most a message in ", absl::FormatDuration(settings.interval));
}

std::string SessionsText(const LoadSettings& settings) {
  if (settings.sessions == SessionReuse::kNone) return "no sessions";
  if (settings.sessions == SessionReuse::kCall) return "a session for each text";
  return "a session for each stream";
}

// A server that says all of a step's tokens at once has gaps of steps.
const char* GapName(const LoadSettings& settings) {
  const bool steps =
      settings.chunking == Chunking::kPerToken || settings.protocol == LoadProtocol::kTriton;
  return steps ? "step gap" : "message gap";
}

std::string Row(const std::string& name, const LatencyHistogram& histogram) {
  std::string row = absl::StrFormat("%-16s%10d", name, histogram.count());
  for (const Share& share : kShares) {
    const std::string cell =
        histogram.count() == 0
            ? "-"
            : absl::StrFormat("%.3f", absl::ToDoubleMilliseconds(histogram.Quantile(share.share)));
    absl::StrAppendFormat(&row, "%12s", cell);
  }
  row += '\n';
  return row;
}

nlohmann::json ToJson(const LatencyHistogram& histogram) {
  nlohmann::json json = {{"count", histogram.count()}};
  for (const Share& share : kShares) {
    json[share.name] = absl::ToDoubleSeconds(histogram.Quantile(share.share));
  }
  return json;
}

}  // namespace

std::string SettingsText(const LoadSettings& settings) {
  std::string loop =
      settings.rate > 0
          ? absl::StrFormat("open loop, %.6g texts due a second on at most %d streams",
                            settings.rate, settings.streams)
          : absl::StrFormat("closed loop, %d streams that think for %s between texts",
                            settings.streams, absl::FormatDuration(settings.think));
  return absl::StrFormat(
      "%s: %s, %d connections; prompts of %d and texts of %d tokens, %s, %s; %s measured after %s "
      "of warm-up; seed %d",
      settings.server, loop, settings.connections, settings.prompt_length, settings.output_length,
      ChunkingText(settings), SessionsText(settings), absl::FormatDuration(settings.duration),
      absl::FormatDuration(settings.warm_up), settings.seed);
}

std::string LoadTable(const LoadSettings& settings, const LoadResult& result) {
  const LoadStatistics& statistics = result.statistics;
  const double seconds = absl::ToDoubleSeconds(settings.duration);
  std::string text = absl::StrCat(SettingsText(settings), "\n\n");
  absl::StrAppendFormat(
      &text, "%.0f tokens/s, %.1f texts/s, at most %d under way; the load took %.2f processors\n\n",
      static_cast<double>(statistics.tokens) / seconds,
      static_cast<double>(statistics.texts) / seconds, result.most_under_way,
      result.own_processors);
  absl::StrAppendFormat(&text, "%-16s%10s", "milliseconds", "count");
  for (const Share& share : kShares) absl::StrAppendFormat(&text, "%12s", share.name);
  absl::StrAppend(&text, "\n", Row("first token", statistics.first_token),
                  Row(GapName(settings), statistics.gap), Row("queue", statistics.queue));
  if (statistics.errors.empty()) text += "\nno errors\n";
  for (const auto& [name, count] : statistics.errors) {
    absl::StrAppendFormat(&text, "\n%d texts failed: %s\n", count, name);
  }
  if (statistics.without_token > 0) {
    absl::StrAppendFormat(&text, "%d texts had no token when the run ended%s\n",
                          statistics.without_token,
                          settings.rate > 0 ? "; their wait until then counts above" : "");
  }
  return text;
}

std::string LoadJson(const LoadSettings& settings, const LoadResult& result) {
  const LoadStatistics& statistics = result.statistics;
  const double seconds = absl::ToDoubleSeconds(settings.duration);
  const nlohmann::json json = {
      {"settings", SettingsText(settings)},
      {"tokens_per_second", static_cast<double>(statistics.tokens) / seconds},
      {"texts_per_second", static_cast<double>(statistics.texts) / seconds},
      {"most_under_way", result.most_under_way},
      {"own_processors", result.own_processors},
      {"first_token_seconds", ToJson(statistics.first_token)},
      {"gap_of", GapName(settings)},
      {"gap_seconds", ToJson(statistics.gap)},
      {"queue_seconds", ToJson(statistics.queue)},
      {"errors", statistics.errors},
      {"without_token", statistics.without_token}};
  return absl::StrCat(json.dump(), "\n");
}

}  // namespace derin
