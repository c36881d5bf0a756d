#include "server/storage/usage_table.h"

#include "server/storage/sqlite_statement.h"

namespace derin::server::usage_table {

absl::Status Put(Database& database, absl::Span<const StoredUsage> usage) {
  for (const StoredUsage& one : usage) {
    SqliteStatement put(database,
                        "INSERT OR REPLACE INTO usage (caller, prompt_tokens, generated_tokens,"
                        " scored_tokens, trained_tokens, call_microseconds, training_microseconds)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?)",
                        "store what callers have used");
    const UsageFigures& figures = one.figures;
    put.Bind(one.caller)
        .Bind(figures.prompt_tokens)
        .Bind(figures.generated_tokens)
        .Bind(figures.scored_tokens)
        .Bind(figures.trained_tokens)
        .Bind(absl::ToInt64Microseconds(figures.call_time))
        .Bind(absl::ToInt64Microseconds(figures.training_time));
    if (absl::Status stored = put.Run(); !stored.ok()) return stored;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<StoredUsage>> List(Database& database) {
  SqliteStatement select(database,
                         "SELECT caller, prompt_tokens, generated_tokens, scored_tokens,"
                         " trained_tokens, call_microseconds, training_microseconds FROM usage"
                         " ORDER BY caller",
                         "read what callers have used");
  std::vector<StoredUsage> usage;
  while (true) {
    const absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return usage;
    usage.push_back({.caller = select.Text(0),
                     .figures = {.prompt_tokens = select.Integer(1),
                                 .generated_tokens = select.Integer(2),
                                 .scored_tokens = select.Integer(3),
                                 .trained_tokens = select.Integer(4),
                                 .call_time = absl::Microseconds(select.Integer(5)),
                                 .training_time = absl::Microseconds(select.Integer(6))}});
  }
}

}  // namespace derin::server::usage_table
