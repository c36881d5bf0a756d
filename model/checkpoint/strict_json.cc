#include "model/checkpoint/strict_json.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "model/text/quoted.h"

namespace derin {
namespace {

using nlohmann::json;

constexpr size_t kMostValues = 100'000;

// What a reader is about to meet: how deep, and at the most how many values.
struct Extent {
  int depth = 0;
  size_t values = 1;
};

// Stops where the text nests deeper than `deepest`.
Extent ExtentOf(std::string_view text, int deepest) {
  Extent extent;
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size() && extent.depth <= deepest; ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      extent.depth = std::max(extent.depth, ++depth);
      ++extent.values;
    } else if (c == ']' || c == '}') {
      --depth;
    } else if (c == ',') {
      ++extent.values;
    }
  }
  return extent;
}

}  // namespace

absl::StatusOr<json> ParseStrictJson(std::string_view text, int deepest) {
  const Extent extent = ExtentOf(text, deepest);
  if (extent.depth > deepest) {
    return absl::DataLossError(absl::StrFormat("it is JSON that nests deeper than %d", deepest));
  }
  if (extent.values > kMostValues) {
    return absl::DataLossError(
        absl::StrFormat("it is JSON of %d values, wanted at most %d", extent.values, kMostValues));
  }
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  std::string repeated;
  bool repeats = false;
  const auto note_keys = [&](int, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) {
      keys.emplace_back();
    } else if (event == json::parse_event_t::object_end) {
      keys.pop_back();
    } else if (event == json::parse_event_t::key && !repeats) {
      const auto& key = parsed.get_ref<const std::string&>();
      repeats = !keys.back().insert(key).second;
      if (repeats) repeated = key;
    }
    return true;
  };
  json parsed = json::parse(text.begin(), text.end(), note_keys, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) return absl::DataLossError("it is not JSON");
  if (repeats) {
    return absl::DataLossError(
        absl::StrFormat("it is JSON with the key %s twice", Quoted(repeated)));
  }
  return parsed;
}

}  // namespace derin
