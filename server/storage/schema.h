#pragma once

#include <array>

namespace derin::server {

// What makes the tables of each version of the schema from those of the version before, the first
// from an empty file: kMigrations[n - 1] leads to version n. What was released is never changed;
// FORMAT.md beside this file explains the tables.
inline constexpr std::array kMigrations = {
    R"sql(
CREATE TABLE server (
  id TEXT NOT NULL
) STRICT;

CREATE TABLE corpora (
  id TEXT NOT NULL PRIMARY KEY,
  sha256 TEXT NOT NULL,
  record BLOB NOT NULL
) STRICT;

CREATE TABLE models (
  id TEXT NOT NULL PRIMARY KEY,
  last_version INTEGER NOT NULL,
  record BLOB NOT NULL
) STRICT;

CREATE TABLE model_versions (
  model_id TEXT NOT NULL REFERENCES models (id),
  version INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  record BLOB NOT NULL,
  PRIMARY KEY (model_id, version)
) STRICT;

CREATE TABLE training_jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  corpus_id TEXT NOT NULL,
  model_id TEXT NOT NULL REFERENCES models (id),
  over INTEGER NOT NULL,
  request_id TEXT UNIQUE,
  request_sha256 TEXT,
  record BLOB NOT NULL
) STRICT;

CREATE INDEX unfinished_training_jobs ON training_jobs (number) WHERE NOT over;

CREATE TABLE training_events (
  job_number INTEGER NOT NULL REFERENCES training_jobs (number),
  sequence INTEGER NOT NULL,
  record BLOB NOT NULL,
  PRIMARY KEY (job_number, sequence)
) STRICT;
)sql",
    R"sql(
CREATE TABLE training_checkpoints (
  job_number INTEGER NOT NULL REFERENCES training_jobs (number),
  step INTEGER NOT NULL,
  model_sha256 TEXT NOT NULL,
  state_sha256 TEXT NOT NULL,
  record BLOB NOT NULL,
  PRIMARY KEY (job_number, step)
) STRICT;
)sql",
    R"sql(
CREATE TABLE training_curves (
  job_number INTEGER NOT NULL PRIMARY KEY REFERENCES training_jobs (number),
  record BLOB NOT NULL
) STRICT;

CREATE TABLE training_starts (
  job_number INTEGER NOT NULL PRIMARY KEY REFERENCES training_jobs (number),
  model_sha256 TEXT NOT NULL,
  state_sha256 TEXT
) STRICT;
)sql",
    R"sql(
CREATE TABLE model_aliases (
  model_id TEXT NOT NULL,
  alias TEXT NOT NULL,
  version INTEGER NOT NULL,
  record BLOB NOT NULL,
  PRIMARY KEY (model_id, alias),
  FOREIGN KEY (model_id, version) REFERENCES model_versions (model_id, version)
) STRICT;
)sql",
    R"sql(
ALTER TABLE models ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
)sql",
    R"sql(
ALTER TABLE corpora ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE corpora ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE model_versions ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE model_versions ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;

CREATE TABLE usage (
  caller TEXT NOT NULL PRIMARY KEY,
  prompt_tokens INTEGER NOT NULL,
  generated_tokens INTEGER NOT NULL,
  scored_tokens INTEGER NOT NULL,
  trained_tokens INTEGER NOT NULL,
  call_microseconds INTEGER NOT NULL,
  training_microseconds INTEGER NOT NULL
) STRICT;
)sql",
    R"sql(
CREATE TABLE corpus_uploads (
  owner TEXT NOT NULL,
  id TEXT NOT NULL,
  file TEXT NOT NULL UNIQUE,
  bytes INTEGER NOT NULL,
  crc32 INTEGER NOT NULL,
  update_microseconds INTEGER NOT NULL,
  ended INTEGER NOT NULL,
  record BLOB NOT NULL,
  PRIMARY KEY (owner, id)
) STRICT;
)sql",
};

// In the file's header; tells our files from those of other programs. `drin` in ASCII.
inline constexpr int kApplicationId = 0x6472696E;

}  // namespace derin::server
