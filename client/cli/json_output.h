#pragma once

#include <ostream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "derin/client/client.h"

// The library's structs as JSON: the API's own field names, enums by the names that flags take,
// times in RFC 3339 (UTC), durations in seconds. What is unset is left out. Seeds are strings,
// since many readers of JSON round numbers above 2^53.
namespace derin::cli {

using Json = nlohmann::ordered_json;

Json ToJson(const client::Corpus& corpus);
Json ToJson(const client::Model& model);
Json ToJson(const client::ModelVersion& version);
Json ToJson(const client::ModelAlias& alias);
Json ToJson(const client::TrainingJob& job);
Json ToJson(const client::TrainingProgress& progress);
Json ToJson(const client::TrainingEvent& event);
Json ToJson(const client::TrainingCheckpoint& checkpoint);
Json ToJson(const client::TrainingMetrics& point);
Json ToJson(const client::Session& session);
Json ToJson(const client::GenerateStart& start);
Json ToJson(const client::DrawnLogProbability& drawn);
Json ToJson(const client::GenerateEnd& end);
Json ToJson(const client::ScoreTotals& totals);
Json ToJson(const client::ServerInfo& info);
Json ToJson(const client::Usage& usage);

// {"name": [...]}.
template <typename Item>
Json ListToJson(const std::string& name, const std::vector<Item>& items) {
  Json list = Json::array();
  for (const Item& item : items) list.push_back(ToJson(item));
  return {{name, std::move(list)}};
}

// The one document of a command; indented.
void PrintDocument(const Json& json, std::ostream& out);
// One of many; a line of its own, flushed.
void PrintLine(const Json& json, std::ostream& out);

}  // namespace derin::cli
