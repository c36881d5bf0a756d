#include "server/storage/model_table.h"

#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "server/status/error.h"
#include "server/storage/model_alias_table.h"
#include "server/storage/sqlite_statement.h"

namespace derin::server::model_table {
namespace {

absl::Status ModelNotFound(std::string_view id) {
  return Refusal(absl::StatusCode::kNotFound, "MODEL_NOT_FOUND",
                 absl::StrFormat("there is no model %s", Quoted(id)));
}

// Models with their newest version; ends where a condition on `models` begins.
constexpr char kSelectModels[] =
    "SELECT models.record,"
    " (SELECT count(*) FROM model_versions WHERE model_id = models.id),"
    " (SELECT record FROM model_versions WHERE model_id = models.id ORDER BY version DESC LIMIT 1)"
    " FROM models WHERE ";

absl::Status ReadModel(Database& database, const SqliteStatement& row, v1::Model& model) {
  if (absl::Status read = row.Message(0, model); !read.ok()) return read;
  model.set_version_count(static_cast<int32_t>(row.Integer(1)));
  if (!row.IsNull(2)) {
    absl::Status read = row.Message(2, *model.mutable_latest_version());
    if (!read.ok()) return read;
  }
  auto aliases = model_alias_table::List(database, IdOf(model.name()));
  if (!aliases.ok()) return aliases.status();
  model.mutable_aliases()->Assign(aliases->begin(), aliases->end());
  return absl::OkStatus();
}

absl::StatusOr<v1::ModelVersion> GetNumberedVersion(Database& database, std::string_view model_id,
                                                    int64_t version) {
  SqliteStatement select(database,
                         "SELECT record FROM model_versions WHERE model_id = ? AND version = ?",
                         "read a model version");
  const absl::StatusOr<bool> row = select.Bind(model_id).Bind(version).Step();
  if (!row.ok()) return row.status();
  if (!*row) {
    const absl::StatusOr<v1::Model> model = Get(database, model_id);
    if (!model.ok()) return model.status();
    return Refusal(absl::StatusCode::kNotFound, "MODEL_VERSION_NOT_FOUND",
                   absl::StrFormat("%s has no version %d; it has %d in all", model->name(), version,
                                   model->version_count()));
  }
  v1::ModelVersion found;
  if (absl::Status read = select.Message(0, found); !read.ok()) return read;
  return found;
}

absl::StatusOr<v1::ModelVersion> GetLatestVersion(Database& database, std::string_view model_id) {
  absl::StatusOr<v1::Model> model = Get(database, model_id);
  if (!model.ok()) return model.status();
  if (!model->has_latest_version()) {
    return Refusal(
        absl::StatusCode::kFailedPrecondition, "MODEL_HAS_NO_VERSION",
        absl::StrFormat("%s has no version yet: no training job of it has succeeded, and no "
                        "checkpoint was published",
                        model->name()));
  }
  return std::move(*model->mutable_latest_version());
}

absl::StatusOr<v1::ModelVersion> GetVersionOfAlias(Database& database,
                                                   const ModelReference& reference) {
  if (const auto model = Get(database, reference.model_id); !model.ok()) return model.status();
  const auto alias = model_alias_table::Get(database, reference.model_id, reference.alias);
  if (!alias.ok()) return alias.status();
  const auto target = ParseModelVersionName(alias->model_version(), "model_version");
  if (!target.ok()) return target.status();
  return GetNumberedVersion(database, target->model_id, target->version);
}

}  // namespace

absl::Status EnsureExists(Database& database, std::string_view id,
                          const google::protobuf::Timestamp& create_time) {
  v1::Model model;
  model.set_name(ResourceName(kModels, id));
  *model.mutable_create_time() = create_time;
  SqliteStatement insert(database,
                         "INSERT INTO models (id, last_version, record) VALUES (?, 0, ?)"
                         " ON CONFLICT (id) DO UPDATE SET record = excluded.record, deleted = 0"
                         " WHERE deleted",
                         "store a model");
  return insert.Bind(id).Bind(model).Run();
}

absl::StatusOr<v1::Model> Get(Database& database, std::string_view id) {
  SqliteStatement select(database, std::string(kSelectModels) + "id = ? AND NOT deleted",
                         "read a model");
  const absl::StatusOr<bool> row = select.Bind(id).Step();
  if (!row.ok()) return row.status();
  if (!*row) return ModelNotFound(id);
  v1::Model model;
  if (absl::Status read = ReadModel(database, select, model); !read.ok()) return read;
  return model;
}

absl::StatusOr<Listing<v1::Model>> List(Database& database, std::string_view after, int limit) {
  SqliteStatement select(database,
                         std::string(kSelectModels) + "id > ? AND NOT deleted ORDER BY id LIMIT ?",
                         "list models");
  select.Bind(after).Bind(int64_t{limit} + 1);
  std::vector<v1::Model> models;
  while (true) {
    const absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    if (absl::Status read = ReadModel(database, select, models.emplace_back()); !read.ok())
      return read;
  }
  return MakeListing(std::move(models), limit,
                     [](const v1::Model& model) { return std::string(IdOf(model.name())); });
}

absl::Status Delete(Database& database, std::string_view id) {
  for (const char* sql : {"DELETE FROM model_versions WHERE model_id = ?",
                          "UPDATE models SET deleted = 1 WHERE id = ?"}) {
    SqliteStatement statement(database, sql, "delete a model");
    if (absl::Status deleted = statement.Bind(id).Run(); !deleted.ok()) return deleted;
  }
  return absl::OkStatus();
}

absl::Status DeleteVersion(Database& database, std::string_view model_id, int64_t version) {
  SqliteStatement remove(database, "DELETE FROM model_versions WHERE model_id = ? AND version = ?",
                         "delete a model version");
  return remove.Bind(model_id).Bind(version).Run();
}

absl::StatusOr<v1::ModelVersion> InsertVersion(Database& database, std::string_view model_id,
                                               v1::ModelVersion version, const ByteQuota& quota) {
  constexpr char kDoing[] = "store a model version";
  const int64_t bytes = quota.owner.empty() ? 0 : version.size_bytes();
  if (absl::Status room = CheckRoom(database, quota, bytes); !room.ok()) return room;
  // Counted on the model's row, so that no number comes twice even when versions are deleted.
  SqliteStatement next(database,
                       "UPDATE models SET last_version = last_version + 1"
                       " WHERE id = ? AND NOT deleted"
                       " RETURNING last_version",
                       kDoing);
  const absl::StatusOr<bool> row = next.Bind(model_id).Step();
  if (!row.ok()) return row.status();
  if (!*row) return ModelNotFound(model_id);
  const int64_t number = next.Integer(0);
  version.set_name(ModelVersionName(model_id, number));
  SqliteStatement insert(
      database,
      "INSERT INTO model_versions (model_id, version, sha256, record, owner, bytes)"
      " VALUES (?, ?, ?, ?, ?, ?)",
      kDoing);
  insert.Bind(model_id).Bind(number).Bind(version.sha256()).Bind(version);
  insert.Bind(quota.owner).Bind(bytes);
  if (absl::Status inserted = insert.Run(); !inserted.ok()) return inserted;
  return version;
}

absl::StatusOr<std::optional<v1::ModelVersion>> FindVersionOfCheckpoint(Database& database,
                                                                        std::string_view model_id,
                                                                        std::string_view checkpoint,
                                                                        std::string_view sha256) {
  SqliteStatement select(database,
                         "SELECT record FROM model_versions WHERE model_id = ? AND sha256 = ?"
                         " ORDER BY version",
                         "look for a version");
  select.Bind(model_id).Bind(sha256);
  absl::StatusOr<std::vector<v1::ModelVersion>> versions = ReadMessages<v1::ModelVersion>(select);
  if (!versions.ok()) return versions.status();
  for (v1::ModelVersion& version : *versions) {
    if (version.training_checkpoint() == checkpoint) return std::move(version);
  }
  return std::nullopt;
}

absl::StatusOr<v1::ModelVersion> GetVersion(Database& database, const ModelReference& reference) {
  if (!reference.alias.empty()) return GetVersionOfAlias(database, reference);
  if (reference.version == 0) return GetLatestVersion(database, reference.model_id);
  return GetNumberedVersion(database, reference.model_id, reference.version);
}

absl::StatusOr<Listing<v1::ModelVersion>> ListVersions(Database& database,
                                                       std::string_view model_id,
                                                       std::string_view after, int limit) {
  int64_t before = std::numeric_limits<int64_t>::max();
  if (!after.empty() && !absl::SimpleAtoi(absl::string_view(after.data(), after.size()), &before)) {
    return InvalidField("page_token", "got one that is not of this list");
  }
  // Also when there are no versions, the model has to be there.
  if (const auto model = Get(database, model_id); !model.ok()) return model.status();
  SqliteStatement select(database,
                         "SELECT record FROM model_versions WHERE model_id = ? AND version < ?"
                         " ORDER BY version DESC LIMIT ?",
                         "list model versions");
  select.Bind(model_id).Bind(before).Bind(int64_t{limit} + 1);
  absl::StatusOr<std::vector<v1::ModelVersion>> versions = ReadMessages<v1::ModelVersion>(select);
  if (!versions.ok()) return versions.status();
  return MakeListing(*std::move(versions), limit, [](const v1::ModelVersion& version) {
    return std::string(IdOf(version.name()));
  });
}

}  // namespace derin::server::model_table
