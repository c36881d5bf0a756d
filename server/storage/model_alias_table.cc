#include "server/storage/model_alias_table.h"

#include <string>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "server/status/error.h"
#include "server/storage/resource_name.h"
#include "server/storage/sqlite_statement.h"

namespace derin::server::model_alias_table {

absl::StatusOr<std::vector<v1::ModelAlias>> List(Database& database, std::string_view model_id) {
  SqliteStatement select(database,
                         "SELECT record FROM model_aliases WHERE model_id = ? ORDER BY alias",
                         "list aliases");
  select.Bind(model_id);
  return ReadMessages<v1::ModelAlias>(select);
}

absl::StatusOr<v1::ModelAlias> Get(Database& database, std::string_view model_id,
                                   std::string_view alias) {
  const auto aliases = List(database, model_id);
  if (!aliases.ok()) return aliases.status();
  // A longer message would be cut on its way to the caller.
  constexpr size_t kMostNamed = 20;
  std::vector<std::string> names;
  for (const v1::ModelAlias& one : *aliases) {
    if (IdOf(one.name()) == alias) return one;
    if (names.size() < kMostNamed) names.emplace_back(IdOf(one.name()));
  }
  if (aliases->size() > names.size()) {
    names.push_back(absl::StrFormat("%d more", aliases->size() - names.size()));
  }
  return Refusal(
      absl::StatusCode::kNotFound, "MODEL_ALIAS_NOT_FOUND",
      absl::StrFormat("%s has no alias %s; it has %s", ResourceName(kModels, model_id),
                      Quoted(alias), names.empty() ? "none" : absl::StrJoin(names, ", ")));
}

absl::Status Put(Database& database, const v1::ModelAlias& alias) {
  const auto name = ParseModelAliasName(alias.name(), "name");
  if (!name.ok()) return name.status();
  const auto target = ParseModelVersionName(alias.model_version(), "model_version");
  if (!target.ok()) return target.status();
  SqliteStatement insert(database,
                         "INSERT INTO model_aliases (model_id, alias, version, record)"
                         " VALUES (?, ?, ?, ?) ON CONFLICT (model_id, alias)"
                         " DO UPDATE SET version = excluded.version, record = excluded.record",
                         "store an alias");
  return insert.Bind(name->model_id).Bind(name->alias).Bind(target->version).Bind(alias).Run();
}

absl::Status Delete(Database& database, std::string_view model_id, std::string_view alias) {
  SqliteStatement remove(database, "DELETE FROM model_aliases WHERE model_id = ? AND alias = ?",
                         "delete an alias");
  return remove.Bind(model_id).Bind(alias).Run();
}

}  // namespace derin::server::model_alias_table
